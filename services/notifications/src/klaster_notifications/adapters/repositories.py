"""Deliveries and their letters, written once; an `INSERT … ON CONFLICT DO NOTHING` decides who is written to."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, Table, Uuid, bindparam, func, null, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from klaster_notifications.adapters.publishing import to_message
from klaster_notifications.adapters.rows import delivery_of, dispatch_of, outgoing_of
from klaster_notifications.adapters.tables import DELIVERY, DISPATCH, LETTER
from klaster_notifications.domain.delivery import Delivery
from klaster_notifications.domain.dispatch import Dispatch
from klaster_notifications.domain.ids import ClaimId, DeliveryId
from klaster_notifications.domain.letters import Letter, OutgoingMail
from klaster_shared.clock import Instant
from klaster_shared.db.aggregate_store import AggregateStore
from klaster_shared.db.statements import Statement, insert_of, versioned_update
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import NotFound


def insert_unless_known(table: Table) -> Insert:
    """INSERT of every column that writes nothing when any unique constraint says that the row is there; the parameters are the column names."""
    return insert(table).values({c.name: bindparam(c.name, type_=c.type) for c in table.columns}).on_conflict_do_nothing()


_ADD_DELIVERY = Statement(insert_unless_known(DELIVERY))
_ADD_LETTER = Statement(insert_of(LETTER))
_ADD_DISPATCH = Statement(insert_of(DISPATCH))
_DELIVERY = Statement(select(DELIVERY).where(DELIVERY.c.id == bindparam("key")))
_DISPATCH = Statement(select(DISPATCH).where(DISPATCH.c.delivery_id == bindparam("key")))
_LOCK = Statement(select(DISPATCH.c.delivery_id).where(DISPATCH.c.delivery_id == bindparam("key")).with_for_update())
_SAVE_DISPATCH = Statement(
    update(DISPATCH)
    .where(DISPATCH.c.delivery_id == bindparam("key", type_=Uuid))
    .values({c.name: bindparam(c.name, type_=c.type) for c in DISPATCH.columns if not c.primary_key})
)
_LOCK_DUE = Statement(
    select(DISPATCH.c.delivery_id)
    .where(DISPATCH.c.due_at <= bindparam("at", type_=DateTime(timezone=True)))
    .order_by(DISPATCH.c.due_at, DISPATCH.c.delivery_id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_these = func.any(bindparam("keys", type_=ARRAY(Uuid)))
_CLAIM = Statement(
    update(DISPATCH)
    .where(DISPATCH.c.delivery_id == _these)
    .values(claim=bindparam("claim", type_=Uuid), due_at=bindparam("until", type_=DateTime(timezone=True)))
)
_RELEASE = Statement(
    update(DISPATCH)
    .where(DISPATCH.c.delivery_id == _these, DISPATCH.c.claim == bindparam("held_under", type_=Uuid))
    .values(claim=null(), due_at=bindparam("again", type_=DateTime(timezone=True)))
)
_OUTGOING = Statement(
    select(DELIVERY, LETTER.c.text, LETTER.c.html, LETTER.c.calendar_method, LETTER.c.calendar)
    .join(LETTER, LETTER.c.delivery_id == DELIVERY.c.id)
    .where(DELIVERY.c.id == _these)
    .order_by(DELIVERY.c.id)
)


class Deliveries:
    """The port `application.ports.Deliveries` on PostgreSQL."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, delivery: Delivery, letter: Letter) -> bool:
        if not await self._keep(delivery, flow=self._work.origin.correlation_id, version=len(delivery.facts)):
            return False
        await self._keep_letter(delivery.id, letter)
        for sequence, fact in enumerate(delivery.stored(), 1):
            self._work.publish(to_message(fact), sequence=sequence, happened=fact.at)
        return True

    async def get(self, key: DeliveryId) -> Delivery:
        row = await _DELIVERY.fetchrow(self._work.connection, key=key)
        if row is None:
            raise NotFound("delivery", key)
        return delivery_of(row)

    async def save(self, delivery: Delivery) -> None:
        await _STORE.save(self._work, delivery.id, delivery)

    async def _keep(self, delivery: Delivery, *, flow: str, version: int) -> bool:
        """The row alone; False when there is one that excludes it."""
        return bool(await _ADD_DELIVERY.execute(self._work.connection, **_delivery_row(delivery), flow=flow, version=version))

    async def _keep_letter(self, key: DeliveryId, letter: Letter) -> None:
        calendar = letter.calendar
        await _ADD_LETTER.execute(
            self._work.connection,
            delivery_id=key,
            text=letter.text,
            html=letter.html,
            calendar_method=calendar and calendar.method,
            calendar=calendar and calendar.text,
        )


class Dispatches:
    """The port `application.ports.Dispatches` on PostgreSQL."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    async def add(self, dispatch: Dispatch) -> None:
        await _ADD_DISPATCH.execute(self._connection, delivery_id=dispatch.delivery, **_state(dispatch))

    async def lock_due(self, at: Instant, most: int) -> Sequence[DeliveryId]:
        return [DeliveryId(row["delivery_id"]) for row in await _LOCK_DUE.fetch(self._connection, at=at, most=most)]

    async def claim(self, keys: Sequence[DeliveryId], claim: ClaimId, *, until: Instant) -> Sequence[OutgoingMail]:
        await _CLAIM.execute(self._connection, keys=list(keys), claim=claim, until=until)
        return [outgoing_of(row) for row in await _OUTGOING.fetch(self._connection, keys=list(keys))]

    async def release(self, keys: Sequence[DeliveryId], claim: ClaimId, *, due_at: Instant) -> None:
        await _RELEASE.execute(self._connection, keys=list(keys), held_under=claim, again=due_at)

    async def lock(self, key: DeliveryId) -> None:
        await _LOCK.execute(self._connection, key=key)

    async def get(self, key: DeliveryId) -> Dispatch:
        row = await _DISPATCH.fetchrow(self._connection, key=key)
        if row is None:
            raise NotFound("dispatch", key)
        return dispatch_of(row)

    async def save(self, dispatch: Dispatch) -> None:
        await _SAVE_DISPATCH.execute(self._connection, key=dispatch.delivery, **_state(dispatch))


def _delivery_row(delivery: Delivery) -> dict[str, Any]:
    grounds, recipient = delivery.grounds, delivery.recipient
    return {
        "id": delivery.id,
        "cause_id": grounds.cause,
        "cause_type": grounds.cause_type,
        "rule": grounds.rule,
        "template": grounds.template.name,
        "template_version": grounds.template.version,
        "channel": delivery.channel,
        "recipient_id": recipient.id,
        "recipient_kind": recipient.kind,
        "recipient_name": recipient.name,
        "address": recipient.address,
        "locale": recipient.locale,
        "subject": delivery.subject,
        "queued_at": delivery.queued_at,
        "status": delivery.status,
        "settled_at": delivery.settled_at,
        "reason": delivery.reason,
    }


def _state(dispatch: Dispatch) -> dict[str, Any]:
    return {
        "attempts": dispatch.attempts,
        "due_at": dispatch.due_at,
        "claim": dispatch.claim,
        "last_failure": dispatch.last_failure,
    }


_SETTLED = {"status", "settled_at", "reason", "version"}
_STORE = AggregateStore[Delivery](
    "delivery",
    insert=_ADD_DELIVERY,
    update=Statement(versioned_update(DELIVERY, *({c.name for c in DELIVERY.columns} - _SETTLED))),
    to_row=_delivery_row,
    to_message=to_message,
)
