"""Contacts and causes in their tables, and the lock under which they meet.

The one rule: `hold` before anything else of the organisation, in a statement of its own. Two transactions that keep a contact
and a cause at the same time would each miss what the other has not committed yet; held, the second one reads after the first's commit.
"""

from collections.abc import Sequence
from typing import Final

import orjson
from sqlalchemy import Integer, bindparam, func, select

from klaster_notifications.adapters.repositories import insert_unless_known
from klaster_notifications.adapters.rows import cause_of, contact_of
from klaster_notifications.adapters.tables import CAUSE, CONTACT
from klaster_notifications.domain.audiences import Cause, Contact
from klaster_notifications.domain.ids import OrganisationId
from klaster_shared.db.statements import Statement
from klaster_shared.db.unit_of_work import UnitOfWork

_LOCK_CLASS: Final = 0x6B6C_6175
"""Locks of two 32-bit numbers are a space of their own: none of the platform's single 64-bit ones can be met here."""

_HOLD = Statement(select(func.pg_advisory_xact_lock(bindparam("kind", type_=Integer), bindparam("organisation", type_=Integer))))
_KEEP_CONTACT = Statement(insert_unless_known(CONTACT))
_KEEP_CAUSE = Statement(insert_unless_known(CAUSE))
_CONTACTS = Statement(select(CONTACT).where(CONTACT.c.organisation_id == bindparam("organisation")).order_by(CONTACT.c.recorded_at, CONTACT.c.id))
_CAUSES = Statement(select(CAUSE).where(CAUSE.c.organisation_id == bindparam("organisation")).order_by(CAUSE.c.recorded_at, CAUSE.c.id))


class Audiences:
    """The port `application.ports.Audiences` on PostgreSQL."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    async def hold(self, organisation: OrganisationId) -> None:
        await _HOLD.execute(self._connection, kind=_LOCK_CLASS, organisation=int.from_bytes(organisation.bytes[-4:], signed=True))

    async def keep_contact(self, contact: Contact) -> None:
        recipient = contact.recipient
        await _KEEP_CONTACT.execute(
            self._connection,
            id=recipient.id,
            organisation_id=contact.organisation,
            name=recipient.name,
            address=recipient.address,
            locale=recipient.locale,
            roles=list(contact.roles),
            recorded_at=contact.recorded_at,
        )

    async def keep_cause(self, cause: Cause, organisation: OrganisationId) -> None:
        await _KEEP_CAUSE.execute(
            self._connection,
            id=cause.id,
            organisation_id=organisation,
            type=cause.type,
            happened_at=cause.happened_at,
            recorded_at=cause.recorded_at,
            particulars=orjson.dumps(cause.particulars).decode(),
        )

    async def contacts_of(self, organisation: OrganisationId) -> Sequence[Contact]:
        return [contact_of(row) for row in await _CONTACTS.fetch(self._connection, organisation=organisation)]

    async def causes_of(self, organisation: OrganisationId) -> Sequence[Cause]:
        return [cause_of(row) for row in await _CAUSES.fetch(self._connection, organisation=organisation)]
