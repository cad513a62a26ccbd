"""The port `application.queries.DeliveryRecord` on PostgreSQL, and the figures for the gauges."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import bindparam, func, select

from klaster_notifications.adapters.rows import delivery_of, dispatch_of
from klaster_notifications.adapters.tables import DELIVERY, DISPATCH
from klaster_notifications.application.queries import DeliveriesAsked, TrackedDelivery
from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.ids import DeliveryId
from klaster_shared.clock import Instant
from klaster_shared.db.engine import Connection
from klaster_shared.db.listing import is_given, page
from klaster_shared.db.statements import Row, Statement
from klaster_shared.errors import NotFound

_TRACKED = select(DELIVERY, *DISPATCH.columns).outerjoin(DISPATCH, DISPATCH.c.delivery_id == DELIVERY.c.id)
_DELIVERY = Statement(_TRACKED.where(DELIVERY.c.id == bindparam("key")))
_DELIVERIES = page(
    _TRACKED.where(
        is_given(DELIVERY.c.recipient_id, "recipient"),
        is_given(DELIVERY.c.status, "status"),
        is_given(DELIVERY.c.cause_id, "cause"),
    ),
    DELIVERY.c.id,
)
_BY_STATUS = Statement(select(DELIVERY.c.status, func.count().label("deliveries")).group_by(DELIVERY.c.status))
_OLDEST_QUEUED = Statement(select(DELIVERY.c.queued_at).where(DELIVERY.c.status == Status.QUEUED).order_by(DELIVERY.c.id).limit(1))


class StoredRecord:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def delivery(self, key: DeliveryId) -> TrackedDelivery:
        row = await _DELIVERY.fetchrow(self._connection, key=key)
        if row is None:
            raise NotFound("delivery", key)
        return _tracked(row)

    async def deliveries(self, asked: DeliveriesAsked, *, after: UUID | None, rows: int) -> Sequence[TrackedDelivery]:
        found = await _DELIVERIES.fetch(self._connection, recipient=asked.recipient, status=asked.status, cause=asked.cause, after=after, rows=rows)
        return [_tracked(row) for row in found]


def _tracked(row: Row) -> TrackedDelivery:
    return TrackedDelivery(delivery_of(row), None if row["delivery_id"] is None else dispatch_of(row))


async def deliveries_by_status(connection: Connection) -> Mapping[Status, int]:
    """Every status, also those of which there is none."""
    counted = {Status(row["status"]): row["deliveries"] for row in await _BY_STATUS.fetch(connection)}
    return {status: counted.get(status, 0) for status in Status}


async def oldest_queued(connection: Connection) -> Instant | None:
    queued_at: Instant | None = await _OLDEST_QUEUED.fetchval(connection)
    return queued_at
