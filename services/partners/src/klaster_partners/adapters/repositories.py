"""Aggregates in their tables: read whole, written with a version check. In this slice nothing stored is rewritten but versions:
contacts and tier changes are rows that are only ever added.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, Update, and_, bindparam, select

from klaster_partners.adapters.folding import fold
from klaster_partners.adapters.publishing import to_message
from klaster_partners.adapters.rows import read_membership, read_network, read_organisation
from klaster_partners.adapters.tables import CONTACT, IDENTIFIER, MEMBERSHIP, NETWORK, ORGANISATION, TIER_CHANGE
from klaster_partners.domain.facts import ContactWasAdded, MembershipWasAdmitted, MembershipWasUpgraded
from klaster_partners.domain.identifiers import Identifier, Scheme
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_shared.db.aggregate_store import AggregateStore
from klaster_shared.db.statements import Statement, insert_of, insert_rows, rows_of, versioned_update
from klaster_shared.db.unit_of_work import UnitOfWork


def _new_version(table: Table) -> Update:
    return versioned_update(table, *(column.name for column in table.columns if column.name != "version"))


def _organisation_row(organisation: Organisation) -> dict[str, Any]:
    profile = organisation.profile
    return {
        "id": organisation.id,
        "name": profile.name,
        "short_name": profile.short_name,
        "folded_names": fold(f"{profile.name}\n{profile.short_name or ''}"),
        "kind": profile.kind,
        "country": profile.country,
        "city": profile.city,
        "helix": profile.helix,
        "size": profile.size,
        "registered_by": organisation.registered_by,
        "registered_at": organisation.registered_at,
    }


_ORGANISATION = AggregateStore[Organisation](
    "organisation",
    insert=Statement(insert_of(ORGANISATION)),
    update=Statement(_new_version(ORGANISATION)),
    to_row=_organisation_row,
    to_message=to_message,
)
_ADD_IDENTIFIERS = Statement(insert_rows(IDENTIFIER, "organisation_id", "scheme", "value"))
_ADD_CONTACT = Statement(insert_of(CONTACT))
_GIVEN = rows_of([IDENTIFIER.c.scheme, IDENTIFIER.c.value])
_HOLDER = Statement(
    select(IDENTIFIER)
    .join(_GIVEN, and_(_GIVEN.c.scheme == IDENTIFIER.c.scheme, _GIVEN.c.value == IDENTIFIER.c.value))
    .order_by(_GIVEN.c.ordinality)
    .limit(1)
)


class Organisations:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get(self, key: OrganisationId, expected: int | None = None) -> Organisation:
        return _ORGANISATION.require_version(key, await read_organisation(self._work.connection, key), expected)

    async def holder_of(self, identifiers: Sequence[Identifier]) -> tuple[Identifier, OrganisationId] | None:
        row = await _HOLDER.fetchrow(self._work.connection, **_columns(identifiers))
        return row and (Identifier(Scheme(row["scheme"]), row["value"]), OrganisationId(row["organisation_id"]))

    async def save(self, organisation: Organisation) -> None:
        is_new = organisation.version == 0
        added = [fact.contact for fact in organisation.facts if isinstance(fact, ContactWasAdded)]
        await _ORGANISATION.save(self._work, organisation.id, organisation)
        if is_new:
            owner = [organisation.id] * len(organisation.identifiers)
            await _ADD_IDENTIFIERS.execute(self._work.connection, organisation_id=owner, **_columns(organisation.identifiers))
        for contact in added:
            await _ADD_CONTACT.execute(
                self._work.connection,
                id=contact.id,
                organisation_id=organisation.id,
                name=contact.name,
                email=contact.email,
                locale=contact.locale,
                roles=contact.roles,
                added_by=contact.added_by,
                added_at=contact.added_at,
            )


def _columns(identifiers: Sequence[Identifier]) -> dict[str, list[str]]:
    return {"scheme": [each.scheme for each in identifiers], "value": [each.value for each in identifiers]}


def _network_row(network: Network) -> dict[str, Any]:
    return {
        "id": network.id,
        "code": network.code,
        "name": network.name,
        "registered_by": network.registered_by,
        "registered_at": network.registered_at,
    }


_NETWORK = AggregateStore[Network](
    "network",
    insert=Statement(insert_of(NETWORK)),
    update=Statement(_new_version(NETWORK)),
    to_row=_network_row,
    to_message=to_message,
)
_CODED = Statement(select(NETWORK.c.id).where(NETWORK.c.code == bindparam("code")))


class Networks:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get(self, key: NetworkId) -> Network:
        return await read_network(self._work.connection, key)

    async def coded(self, code: str) -> NetworkId | None:
        found: NetworkId | None = await _CODED.fetchval(self._work.connection, code=code)
        return found

    async def save(self, network: Network) -> None:
        await _NETWORK.save(self._work, network.id, network)


def _membership_row(membership: Membership) -> dict[str, Any]:
    return {
        "id": membership.id,
        "organisation_id": membership.organisation,
        "network_id": membership.network,
        "applied_on": membership.applied_on,
        "applied_by": membership.applied_by,
        "applied_at": membership.applied_at,
    }


_MEMBERSHIP = AggregateStore[Membership](
    "membership",
    insert=Statement(insert_of(MEMBERSHIP)),
    update=Statement(_new_version(MEMBERSHIP)),
    to_row=_membership_row,
    to_message=to_message,
)
_JOINING = Statement(
    select(MEMBERSHIP.c.id).where(MEMBERSHIP.c.organisation_id == bindparam("organisation"), MEMBERSHIP.c.network_id == bindparam("network"))
)
_ADD_CHANGE = Statement(insert_of(TIER_CHANGE))


class Memberships:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get(self, key: MembershipId, expected: int | None = None) -> Membership:
        return _MEMBERSHIP.require_version(key, await read_membership(self._work.connection, key), expected)

    async def joining(self, organisation: OrganisationId, network: NetworkId) -> MembershipId | None:
        found: MembershipId | None = await _JOINING.fetchval(self._work.connection, organisation=organisation, network=network)
        return found

    async def save(self, membership: Membership) -> None:
        decided = [fact.change for fact in membership.facts if isinstance(fact, MembershipWasAdmitted | MembershipWasUpgraded)]
        await _MEMBERSHIP.save(self._work, membership.id, membership)
        for number, change in enumerate(decided, len(membership.history) - len(decided) + 1):
            await _ADD_CHANGE.execute(
                self._work.connection,
                membership_id=membership.id,
                number=number,
                tier=change.tier,
                effective_on=change.effective_on,
                decision=change.decision,
                decided_by=change.decided_by,
                decided_at=change.decided_at,
            )
