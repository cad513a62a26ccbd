"""Aggregates in their tables: read whole, written with a version check. Balances in theirs: unversioned, changed under row locks.

The one rule: a locking statement only locks. What was true before the lock was granted is no longer known to be true, so every
balance, commitment and document is read by a later statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Table, Text, Update, bindparam, exists, func, literal, select, update

from klaster_budget.adapters.publishing import to_message
from klaster_budget.adapters.rows import (
    COMMITMENTS,
    EXPENDITURES,
    RATES,
    balance_of,
    commitment_of,
    expenditure_of,
    rate_of,
    refusal_columns,
    terms_of,
)
from klaster_budget.adapters.tables import COMMITMENT, COMMITMENT_LINE, EXPENDITURE, GRANT, LINE, RATE
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.documents import Document
from klaster_budget.domain.errors import UnknownGrant
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.facts import CommitmentWasConsumed, CommitmentWasReleased
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import ApprovalId, EventId, GrantCode, GrantId, LineId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.rates import Rate
from klaster_shared.db.aggregate_store import AggregateStore
from klaster_shared.db.statements import Row, Statement, insert_of, insert_rows, rows_of, versioned_update
from klaster_shared.db.unit_of_work import UnitOfWork


def _versioned(table: Table, *changing: str) -> Update:
    """Every column but these and the version stays as it was inserted."""
    return versioned_update(table, *(column.name for column in table.columns if column.name not in {*changing, "version"}))


def _grant_row(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "code": grant.code,
        "name": grant.name,
        "funder": grant.funder,
        "total": grant.total.amount,
        "currency": grant.total.currency,
        "starts_on": grant.period.starts_on,
        "ends_on": grant.period.ends_on,
        "registered_by": grant.registered_by,
        "registered_at": grant.registered_at,
    }


_GRANT = AggregateStore[Grant](
    "grant", insert=Statement(insert_of(GRANT)), update=Statement(_versioned(GRANT)), to_row=_grant_row, to_message=to_message
)
_LINE_COLUMNS = ("id", "grant_id", "number", "code", "name", "category", "planned", "committed", "declared")
_ADD_LINES = Statement(insert_rows(LINE, *_LINE_COLUMNS))
_CODED = Statement(select(GRANT.c.id).where(GRANT.c.code == bindparam("code")))


class Grants:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def coded(self, code: GrantCode) -> GrantId | None:
        found: GrantId | None = await _CODED.fetchval(self._work.connection, code=code)
        return found

    async def save(self, grant: Grant) -> None:
        """A grant is only ever added in this slice."""
        await _GRANT.save(self._work, grant.id, grant)
        nothing = [line.planned.amount * 0 for line in grant.lines]
        await _ADD_LINES.execute(
            self._work.connection,
            id=[line.id for line in grant.lines],
            grant_id=[grant.id] * len(grant.lines),
            number=list(range(1, len(grant.lines) + 1)),
            code=[line.code for line in grant.lines],
            name=[line.name for line in grant.lines],
            category=[line.category for line in grant.lines],
            planned=[line.planned.amount for line in grant.lines],
            committed=nothing,
            declared=nothing,
        )


def _lock(grant: ColumnElement[bool]) -> Statement:
    """All lines of one grant in one order, so that no two transactions on a grant can wait for each other. Only the lines that a
    transaction needs would not do: a chunk of messages is one transaction, and takes the lines of one message after another's.
    """
    of_grant = select(GRANT.c.id).where(grant).scalar_subquery()
    return Statement(select(literal(1)).select_from(LINE).where(LINE.c.grant_id == of_grant).order_by(LINE.c.id).with_for_update())


def _balances(grant: ColumnElement[bool]) -> Statement:
    """One row for every line that exists, or one without a line."""
    asked = LINE.c.code == func.any(bindparam("lines", type_=ARRAY(Text)))
    return Statement(
        select(
            GRANT.c.id.label("grant_id"),
            GRANT.c.code.label("grant_code"),
            GRANT.c.currency,
            GRANT.c.starts_on,
            GRANT.c.ends_on,
            LINE.c.id,
            LINE.c.code,
            LINE.c.planned,
            LINE.c.committed,
            LINE.c.declared,
        )
        .join_from(GRANT, LINE, (LINE.c.grant_id == GRANT.c.id) & asked, isouter=True)
        .where(grant)
    )


_by_id, _by_code = GRANT.c.id == bindparam("grant"), GRANT.c.code == bindparam("grant")
_LOCK_BY_ID, _LOCK_BY_CODE = _lock(_by_id), _lock(_by_code)
_BALANCES_BY_ID, _BALANCES_BY_CODE = _balances(_by_id), _balances(_by_code)
_changed = rows_of([LINE.c.id, LINE.c.committed, LINE.c.declared], "changed")
_WRITE_BALANCES = Statement(update(LINE).where(LINE.c.id == _changed.c.id).values(committed=_changed.c.committed, declared=_changed.c.declared))


class Ledgers:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock(self, grant: GrantId | GrantCode) -> bool:
        return await (_LOCK_BY_ID if isinstance(grant, UUID) else _LOCK_BY_CODE).execute(self._work.connection, grant=grant) > 0

    async def find(self, grant: GrantId | GrantCode, lines: Iterable[str]) -> Ledger | None:
        if not await self.lock(grant):
            return None  # also when it was registered a moment later: its lines are not locked
        statement = _BALANCES_BY_ID if isinstance(grant, UUID) else _BALANCES_BY_CODE
        rows = await statement.fetch(self._work.connection, grant=grant, lines=list(lines))
        return Ledger(terms_of(rows[0]), [balance_of(row) for row in rows if row["id"] is not None])

    async def get(self, grant: GrantId | GrantCode, lines: Iterable[str]) -> Ledger:
        ledger = await self.find(grant, lines)
        if ledger is None:
            raise UnknownGrant(grant)
        return ledger

    async def save(self, ledger: Ledger) -> None:
        changes = ledger.changes()
        if changes:
            await _WRITE_BALANCES.execute(
                self._work.connection,
                id=[balance.id for balance in changes],
                committed=[balance.committed.amount for balance in changes],
                declared=[balance.declared.amount for balance in changes],
            )


def _commitment_row(commitment: Commitment) -> dict[str, Any]:
    return {
        "id": commitment.id,
        "event_id": commitment.event,
        "approval_id": commitment.approval,
        "grant_id": commitment.grant,
        "confirmed": commitment.confirmed,
        "answered_at": commitment.answered_at,
        **refusal_columns(commitment.refusal),
    }


_COMMITMENT = AggregateStore[Commitment](
    "commitment",
    insert=Statement(insert_of(COMMITMENT)),
    update=Statement(_versioned(COMMITMENT, "confirmed")),
    to_row=_commitment_row,
    to_message=to_message,
)
_COMMITMENT_LINE_COLUMNS = ("commitment_id", "line_id", "number", "reserved", "consumed", "released")
_ADD_COMMITMENT_LINES = Statement(insert_rows(COMMITMENT_LINE, *_COMMITMENT_LINE_COLUMNS))
_summed = rows_of([COMMITMENT_LINE.c.line_id, COMMITMENT_LINE.c.consumed, COMMITMENT_LINE.c.released], "summed")
_WRITE_SUMS = Statement(
    update(COMMITMENT_LINE)
    .where(COMMITMENT_LINE.c.commitment_id == bindparam("commitment"), COMMITMENT_LINE.c.line_id == _summed.c.line_id)
    .values(consumed=_summed.c.consumed, released=_summed.c.released)
)
_ANSWERED = Statement(select(literal(1)).where(COMMITMENT.c.event_id == bindparam("event"), COMMITMENT.c.approval_id == bindparam("approval")))
_is_open = COMMITMENT_LINE.c.reserved > COMMITMENT_LINE.c.consumed + COMMITMENT_LINE.c.released
_OPEN_LINES = Statement(
    select(COMMITMENT.c.grant_id, LINE.c.code)
    .distinct()
    .join_from(COMMITMENT, COMMITMENT_LINE, COMMITMENT_LINE.c.commitment_id == COMMITMENT.c.id)
    .join(LINE, LINE.c.id == COMMITMENT_LINE.c.line_id)
    .where(COMMITMENT.c.event_id == bindparam("event"), _is_open)
    .order_by(COMMITMENT.c.grant_id, LINE.c.code)
)
_OPEN_OF = Statement(
    COMMITMENTS.where(
        COMMITMENT.c.event_id == bindparam("event"),
        COMMITMENT.c.grant_id == bindparam("grant"),
        exists().where(COMMITMENT_LINE.c.commitment_id == COMMITMENT.c.id, _is_open),
    ).order_by(COMMITMENT.c.id)
)


class Commitments:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def answered(self, event: EventId, approval: ApprovalId) -> bool:
        return await _ANSWERED.fetchval(self._work.connection, event=event, approval=approval) is not None

    async def open_lines(self, event: EventId) -> Mapping[GrantId, Sequence[str]]:
        found: dict[GrantId, list[str]] = {}
        for row in await _OPEN_LINES.fetch(self._work.connection, event=event):
            found.setdefault(GrantId(row["grant_id"]), []).append(row["code"])
        return found

    async def open_of(self, event: EventId, grant: GrantId) -> Sequence[Commitment]:
        return [commitment_of(row) for row in await _OPEN_OF.fetch(self._work.connection, event=event, grant=grant)]

    async def save(self, commitment: Commitment) -> None:
        is_new = commitment.version == 0
        sums_changed = any(isinstance(fact, CommitmentWasConsumed | CommitmentWasReleased) for fact in commitment.facts)
        await _COMMITMENT.save(self._work, commitment.id, commitment)
        lines, connection = commitment.lines, self._work.connection
        sums: dict[str, list[Any]] = {
            "line_id": [line.line for line in lines],
            "consumed": [line.consumed.amount for line in lines],
            "released": [line.released.amount for line in lines],
        }
        if is_new:
            await _ADD_COMMITMENT_LINES.execute(
                connection,
                commitment_id=[commitment.id] * len(lines),
                number=list(range(1, len(lines) + 1)),
                reserved=[line.reserved.amount for line in lines],
                **sums,
            )
        elif sums_changed:
            await _WRITE_SUMS.execute(connection, commitment=commitment.id, **sums)


def _expenditure_row(expenditure: Expenditure) -> dict[str, Any]:
    document, rate = expenditure.document, expenditure.rate
    return {
        "id": expenditure.id,
        "grant_id": expenditure.grant,
        "line_id": expenditure.line,
        "event_id": expenditure.event,
        "number": document.number,
        "number_key": document.number_key,
        "issued_on": document.issued_on,
        "issuer": document.issuer,
        "issuer_nip": document.issuer_nip,
        "issuer_key": document.issuer_key,
        "amount": expenditure.amount.amount,
        "currency": expenditure.amount.currency,
        "rate_value": rate.value if rate else None,
        "rate_source": rate.source if rate else None,
        "rate_date": rate.on if rate else None,
        "in_grant_currency": expenditure.in_grant_currency.amount,
        "from_commitments": expenditure.from_commitments.amount,
        "source": expenditure.source,
        "declared_by": expenditure.declared_by,
        "declared_at": expenditure.declared_at,
    }


_EXPENDITURE = AggregateStore[Expenditure](
    "expenditure",
    insert=Statement(insert_of(EXPENDITURE)),
    update=Statement(_versioned(EXPENDITURE)),
    to_row=_expenditure_row,
    to_message=to_message,
)
_OF_DOCUMENT = Statement(
    EXPENDITURES.where(
        EXPENDITURE.c.line_id == bindparam("line"),
        EXPENDITURE.c.issuer_key == bindparam("issuer"),
        EXPENDITURE.c.number_key == bindparam("document"),
    )
)


class Expenditures:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def of_document(self, document: Document, line: LineId) -> Expenditure | None:
        row = await _OF_DOCUMENT.fetchrow(self._work.connection, line=line, issuer=document.issuer_key, document=document.number_key)
        return None if row is None else expenditure_of(row)

    async def save(self, expenditure: Expenditure) -> None:
        await _EXPENDITURE.save(self._work, expenditure.id, expenditure)


_ADD_RATE = Statement(insert_of(RATE))
_of_day = RATES.where(RATE.c.currency == bindparam("currency"), RATE.c.quoted_on == bindparam("on"))
_QUOTED = Statement(_of_day.where(RATE.c.source == bindparam("source")))
_FIRST_REGISTERED = Statement(_of_day.order_by(RATE.c.id).limit(1))


class Rates:
    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def quoted(self, currency: str, on: date, source: str) -> Rate | None:
        return _rate_or_none(await _QUOTED.fetchrow(self._work.connection, currency=currency, on=on, source=source))

    async def first_registered(self, currency: str, on: date) -> Rate | None:
        return _rate_or_none(await _FIRST_REGISTERED.fetchrow(self._work.connection, currency=currency, on=on))

    async def add(self, rate: Rate) -> None:
        await _ADD_RATE.execute(
            self._work.connection,
            id=rate.id,
            currency=rate.currency,
            quoted_on=rate.quotation.on,
            source=rate.quotation.source,
            value=rate.quotation.value,
            registered_by=rate.registered_by,
            registered_at=rate.registered_at,
        )


def _rate_or_none(row: Row | None) -> Rate | None:
    return None if row is None else rate_of(row)
