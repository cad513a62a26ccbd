"""The port `application.queries.Books` on PostgreSQL, and what the gauges count. A filter that is not given asks for any value."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, or_, select

from klaster_budget.adapters.rows import (
    COMMITMENTS,
    EXPENDITURES,
    GRANTS,
    RATES,
    commitment_of,
    expenditure_of,
    grant_account_of,
    rate_of,
    read_commitment,
    read_expenditure,
    read_grant,
    read_rate,
)
from klaster_budget.adapters.tables import COMMITMENT, COMMITMENT_LINE, EXPENDITURE, GRANT, LINE, RATE
from klaster_budget.application.queries import Concerning, GrantAccount
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.ids import CommitmentId, ExpenditureId, GrantId, RateId
from klaster_budget.domain.rates import Rate
from klaster_shared.db.engine import Connection
from klaster_shared.db.listing import is_given, page
from klaster_shared.db.statements import Statement

_GRANTS = page(GRANTS, GRANT.c.id)
_COMMITMENTS = page(COMMITMENTS.where(is_given(COMMITMENT.c.event_id, "event"), is_given(COMMITMENT.c.grant_id, "grant")), COMMITMENT.c.id)
_EXPENDITURES = page(EXPENDITURES.where(is_given(EXPENDITURE.c.event_id, "event"), is_given(EXPENDITURE.c.grant_id, "grant")), EXPENDITURE.c.id)
_RATES = page(RATES, RATE.c.id)


class StoredBooks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def grant(self, key: GrantId) -> GrantAccount:
        return await read_grant(self._connection, key)

    async def grants(self, *, after: UUID | None, rows: int) -> Sequence[GrantAccount]:
        return [grant_account_of(row) for row in await _GRANTS.fetch(self._connection, after=after, rows=rows)]

    async def commitment(self, key: CommitmentId) -> Commitment:
        return await read_commitment(self._connection, key)

    async def commitments(self, asked: Concerning, *, after: UUID | None, rows: int) -> Sequence[Commitment]:
        found = await _COMMITMENTS.fetch(self._connection, event=asked.event, grant=asked.grant, after=after, rows=rows)
        return [commitment_of(row) for row in found]

    async def expenditure(self, key: ExpenditureId) -> Expenditure:
        return await read_expenditure(self._connection, key)

    async def expenditures(self, asked: Concerning, *, after: UUID | None, rows: int) -> Sequence[Expenditure]:
        found = await _EXPENDITURES.fetch(self._connection, event=asked.event, grant=asked.grant, after=after, rows=rows)
        return [expenditure_of(row) for row in found]

    async def rate(self, key: RateId) -> Rate:
        return await read_rate(self._connection, key)

    async def rates(self, *, after: UUID | None, rows: int) -> Sequence[Rate]:
        return [rate_of(row) for row in await _RATES.fetch(self._connection, after=after, rows=rows)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Over all lines of all grants in one currency, in units of it."""

    planned: Decimal
    committed: Decimal
    declared: Decimal


_SUMS = Statement(
    select(
        GRANT.c.currency,
        func.sum(LINE.c.planned).label("planned"),
        func.sum(LINE.c.committed).label("committed"),
        func.sum(LINE.c.declared).label("declared"),
    )
    .join_from(LINE, GRANT, GRANT.c.id == LINE.c.grant_id)
    .group_by(GRANT.c.currency)
)
_open = COMMITMENT_LINE.c.reserved - COMMITMENT_LINE.c.consumed - COMMITMENT_LINE.c.released
_OPEN_COMMITMENTS = Statement(select(func.count(COMMITMENT_LINE.c.commitment_id.distinct())).where(_open > 0))
_held = select(COMMITMENT_LINE.c.line_id, func.sum(_open).label("total")).where(_open > 0).group_by(COMMITMENT_LINE.c.line_id).subquery("held")
_spent = select(EXPENDITURE.c.line_id, func.sum(EXPENDITURE.c.in_grant_currency).label("total")).group_by(EXPENDITURE.c.line_id).subquery("spent")
_CONTRADICTING = Statement(
    select(func.count())
    .select_from(LINE)
    .join(_held, _held.c.line_id == LINE.c.id, isouter=True)
    .join(_spent, _spent.c.line_id == LINE.c.id, isouter=True)
    .where(or_(LINE.c.committed != func.coalesce(_held.c.total, 0), LINE.c.declared != func.coalesce(_spent.c.total, 0)))
)


async def sums_by_currency(connection: Connection) -> dict[str, Sums]:
    rows = await _SUMS.fetch(connection)
    return {row["currency"]: Sums(planned=row["planned"], committed=row["committed"], declared=row["declared"]) for row in rows}


async def open_commitments(connection: Connection) -> int:
    counted: int = await _OPEN_COMMITMENTS.fetchval(connection)
    return counted


async def contradicting_lines(connection: Connection) -> int:
    """Lines whose balance is not the sum of their open commitments and of their expenditures. One statement, thus of one moment."""
    counted: int = await _CONTRADICTING.fetchval(connection)
    return counted
