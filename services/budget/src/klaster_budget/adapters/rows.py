"""How stored rows become what the domain knows, for commands and for queries alike.

The one rule: an aggregate is selected whole in one statement, so that its parts and its version are of one moment. Its parts
come as JSON, their numbers as text: a float would lose what NUMERIC keeps.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Column, ColumnElement, FromClause, Numeric, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from klaster_budget.adapters.tables import COMMITMENT, COMMITMENT_LINE, EXPENDITURE, GRANT, LINE, RATE
from klaster_budget.application.queries import GrantAccount
from klaster_budget.domain.commitment import Commitment, CommittedLine
from klaster_budget.domain.documents import Document
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import ApprovalId, CommitmentId, EventId, ExpenditureId, GrantCode, GrantId, LineId, RateId
from klaster_budget.domain.ledger import LineBalance
from klaster_budget.domain.plan import GrantTerms, Period, PlannedLine
from klaster_budget.domain.rates import Quotation, Rate
from klaster_budget.domain.refusals import Refusal, RefusalReason
from klaster_budget.domain.requests import LineAmount
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Row, Statement
from klaster_shared.errors import NotFound
from klaster_shared.money import Money


def _parts(columns: Sequence[Column[Any]], source: FromClause, belongs: ColumnElement[bool], order: Column[Any]) -> ColumnElement[str | None]:
    """The rows of `source` that belong to the selected one, as the text of a JSON array of arrays; null when there are none."""
    values = [cast(column, Text) if isinstance(column.type, Numeric) else column for column in columns]
    listed = cast(func.json_agg(aggregate_order_by(func.json_build_array(*values), order)), Text)
    return select(listed).select_from(source).where(belongs).scalar_subquery().label("parts")


GRANTS = select(
    GRANT,
    _parts(
        [LINE.c.id, LINE.c.code, LINE.c.name, LINE.c.category, LINE.c.planned, LINE.c.committed, LINE.c.declared],
        LINE,
        LINE.c.grant_id == GRANT.c.id,
        LINE.c.number,
    ),
)
COMMITMENTS = select(
    COMMITMENT,
    GRANT.c.currency,
    _parts(
        [LINE.c.id, LINE.c.code, COMMITMENT_LINE.c.reserved, COMMITMENT_LINE.c.consumed, COMMITMENT_LINE.c.released],
        COMMITMENT_LINE.join(LINE, LINE.c.id == COMMITMENT_LINE.c.line_id),
        COMMITMENT_LINE.c.commitment_id == COMMITMENT.c.id,
        COMMITMENT_LINE.c.number,
    ),
).join_from(COMMITMENT, GRANT, GRANT.c.id == COMMITMENT.c.grant_id, isouter=True)
EXPENDITURES = (
    select(EXPENDITURE, LINE.c.code.label("line_code"), GRANT.c.currency.label("grant_currency"))
    .join_from(EXPENDITURE, LINE, LINE.c.id == EXPENDITURE.c.line_id)
    .join(GRANT, GRANT.c.id == EXPENDITURE.c.grant_id)
)
RATES = select(RATE)

_GRANT = Statement(GRANTS.where(GRANT.c.id == bindparam("key")))
_COMMITMENT = Statement(COMMITMENTS.where(COMMITMENT.c.id == bindparam("key")))
_EXPENDITURE = Statement(EXPENDITURES.where(EXPENDITURE.c.id == bindparam("key")))
_RATE = Statement(RATES.where(RATE.c.id == bindparam("key")))


async def read_grant(connection: Connection, key: GrantId) -> GrantAccount:
    return grant_account_of(await _one(connection, _GRANT, "grant", key))


async def read_commitment(connection: Connection, key: CommitmentId) -> Commitment:
    return commitment_of(await _one(connection, _COMMITMENT, "commitment", key))


async def read_expenditure(connection: Connection, key: ExpenditureId) -> Expenditure:
    return expenditure_of(await _one(connection, _EXPENDITURE, "expenditure", key))


async def read_rate(connection: Connection, key: RateId) -> Rate:
    return rate_of(await _one(connection, _RATE, "rate", key))


async def _one(connection: Connection, statement: Statement, what: str, key: UUID) -> Row:
    row = await statement.fetchrow(connection, key=key)
    if row is None:
        raise NotFound(what, key)
    return row


def grant_account_of(row: Row) -> GrantAccount:
    currency, lines, balances = row["currency"], [], {}
    for key, code, name, category, planned, committed, declared in _read(row["parts"]):
        line = PlannedLine(id=LineId(UUID(key)), code=code, name=name, category=category, planned=Money(Decimal(planned), currency))
        lines.append(line)
        balances[code] = LineBalance(
            id=line.id,
            code=code,
            planned=line.planned,
            committed=Money(Decimal(committed), currency),
            declared=Money(Decimal(declared), currency),
        )
    grant = Grant(
        id=GrantId(row["id"]),
        code=GrantCode(row["code"]),
        name=row["name"],
        funder=row["funder"],
        total=Money(row["total"], currency),
        period=Period(starts_on=row["starts_on"], ends_on=row["ends_on"]),
        lines=tuple(lines),
        registered_by=row["registered_by"],
        registered_at=row["registered_at"],
        version=row["version"],
    )
    return GrantAccount(grant=grant, balances=balances)


def terms_of(row: Row) -> GrantTerms:
    return GrantTerms(
        id=GrantId(row["grant_id"]),
        code=GrantCode(row["grant_code"]),
        currency=row["currency"],
        period=Period(starts_on=row["starts_on"], ends_on=row["ends_on"]),
    )


def balance_of(row: Row) -> LineBalance:
    currency = row["currency"]
    return LineBalance(
        id=LineId(row["id"]),
        code=row["code"],
        planned=Money(row["planned"], currency),
        committed=Money(row["committed"], currency),
        declared=Money(row["declared"], currency),
    )


def commitment_of(row: Row) -> Commitment:
    return Commitment(
        id=CommitmentId(row["id"]),
        event=EventId(row["event_id"]),
        approval=ApprovalId(row["approval_id"]),
        grant=GrantId(row["grant_id"]),
        lines=tuple(_committed_line_of(part, row["currency"]) for part in _read(row["parts"])),
        confirmed=row["confirmed"],
        refusal=_refusal_of(row),
        answered_at=row["answered_at"],
        version=row["version"],
    )


def _committed_line_of(part: Sequence[Any], currency: str) -> CommittedLine:
    key, code, *sums = part
    reserved, consumed, released = (Money(Decimal(each), currency) for each in sums)
    return CommittedLine(line=LineId(UUID(key)), code=code, reserved=reserved, consumed=consumed, released=released)


def _refusal_of(row: Row) -> Refusal | None:
    if row["refusal_reason"] is None:
        return None
    return Refusal(
        reason=RefusalReason(row["refusal_reason"]),
        line_code=row["refused_line"],
        shortfalls=tuple(LineAmount(line_code=code, amount=Money.parse(amount, currency)) for code, amount, currency in _read(row["shortfalls"])),
    )


def refusal_columns(refusal: Refusal | None) -> Mapping[str, str | None]:
    """The other way of `_refusal_of`."""
    if refusal is None:
        return {"refusal_reason": None, "refused_line": None, "shortfalls": None}
    shortfalls = [[short.line_code, short.amount.text, short.amount.currency] for short in refusal.shortfalls]
    return {"refusal_reason": refusal.reason, "refused_line": refusal.line_code, "shortfalls": orjson.dumps(shortfalls).decode()}


def expenditure_of(row: Row) -> Expenditure:
    return Expenditure(
        id=ExpenditureId(row["id"]),
        grant=GrantId(row["grant_id"]),
        line=LineId(row["line_id"]),
        line_code=row["line_code"],
        event=row["event_id"] and EventId(row["event_id"]),
        document=Document(number=row["number"], issued_on=row["issued_on"], issuer=row["issuer"], issuer_nip=row["issuer_nip"]),
        amount=Money(row["amount"], row["currency"]),
        rate=row["rate_value"] and Quotation(value=row["rate_value"], source=row["rate_source"], on=row["rate_date"]),
        in_grant_currency=Money(row["in_grant_currency"], row["grant_currency"]),
        from_commitments=Money(row["from_commitments"], row["grant_currency"]),
        source=row["source"],
        declared_by=row["declared_by"],
        declared_at=row["declared_at"],
        version=row["version"],
    )


def rate_of(row: Row) -> Rate:
    return Rate(
        id=RateId(row["id"]),
        currency=row["currency"],
        quotation=Quotation(value=row["value"], source=row["source"], on=row["quoted_on"]),
        registered_by=row["registered_by"],
        registered_at=row["registered_at"],
    )


def _read(parts: str | None) -> Sequence[Sequence[Any]]:
    return orjson.loads(parts) if parts else ()
