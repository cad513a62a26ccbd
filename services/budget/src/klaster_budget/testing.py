"""One vocabulary for the tests of the budget: builders of its things, and its repositories in memory.

The one rule: what is built here is valid unless a test says otherwise, and the repositories keep copies, as a database does.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.documents import Document, document
from klaster_budget.domain.errors import UnknownGrant
from klaster_budget.domain.expenditure import Claim, Expenditure
from klaster_budget.domain.grant import Grant
from klaster_budget.domain.ids import ApprovalId, EventId, GrantCode, GrantId, LineId, OrganisationId, RateId
from klaster_budget.domain.ledger import Ledger, LineBalance
from klaster_budget.domain.plan import GrantTerms, Period, PlannedLine
from klaster_budget.domain.rates import Quotation, Rate
from klaster_budget.domain.requests import CommitmentRequest, LineAmount, Title
from klaster_shared.clock import Instant
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.errors import StaleVersion
from klaster_shared.ids import new_id
from klaster_shared.money import Money
from klaster_shared.origin import LOCAL_ACTOR

NOON = datetime(2011, 9, 1, 12, tzinfo=UTC)
PROJECT_PERIOD = Period(starts_on=date(2011, 4, 1), ends_on=date(2012, 12, 31))
VALID_NIP = "1234563218"


def pln(amount: str) -> Money:
    return Money.parse(amount, "PLN")


def eur(amount: str) -> Money:
    return Money.parse(amount, "EUR")


def costs(**amounts: str) -> tuple[LineAmount, ...]:
    """`costs(travel="10", venue="20")`: in złoty, by line code."""
    return tuple(LineAmount(line_code=code, amount=pln(amount)) for code, amount in amounts.items())


def planned(amounts: Mapping[str, str]) -> tuple[PlannedLine, ...]:
    """Lines in złoty, by code."""
    return tuple(
        PlannedLine(id=LineId(new_id()), code=code, name=code.title(), category="external", planned=pln(amount)) for code, amount in amounts.items()
    )


def a_grant(*, code: str = "MRPO-8.2", total: str | None = None, period: Period = PROJECT_PERIOD, **amounts: str) -> Grant:
    """`a_grant(travel="100", venue="50")`: planned złoty by line code; the total is their sum unless given."""
    lines = planned(amounts or {"travel": "100"})
    return Grant.registered(
        GrantId(new_id()),
        code=GrantCode(code),
        name="Cooperation capacity",
        funder="Regional programme",
        total=Money.sum((line.planned for line in lines), "PLN") if total is None else pln(total),
        period=period,
        lines=lines,
        by=LOCAL_ACTOR,
        at=NOON,
    )


def terms_of(grant: Grant) -> GrantTerms:
    return GrantTerms(id=grant.id, code=grant.code, currency=grant.total.currency, period=grant.period)


def a_ledger(**amounts: str) -> Ledger:
    """Planned złoty by line code, nothing committed or declared yet."""
    return Ledger(terms_of(a_grant()), map(LineBalance.untouched, planned(amounts)))


def a_request(
    *asked: LineAmount, event: EventId | None = None, approval: ApprovalId | None = None, grant: GrantId | None = None
) -> CommitmentRequest:
    return CommitmentRequest(
        event=event or EventId(new_id()),
        approval=approval or ApprovalId(new_id()),
        grant=grant or GrantId(new_id()),
        costs=asked or costs(travel="10"),
        host_organisation=OrganisationId(new_id()),
        title=Title(pl="Warsztat", en="Workshop"),
    )


def a_document(number: str = "FV/1/2011", *, issued_on: date = date(2011, 9, 1), issuer: str = "Hotel", nip: str | None = VALID_NIP) -> Document:
    return document(number=number, issued_on=issued_on, issuer=issuer, issuer_nip=nip)


def a_claim(
    amount: Money | str = "10",
    *,
    line: str = "travel",
    event: EventId | None = None,
    of: Document | None = None,
    rate: Quotation | None = None,
) -> Claim:
    """A text amount is in złoty."""
    money = pln(amount) if isinstance(amount, str) else amount
    return Claim(line_code=line, event=event, document=of or a_document(), amount=money, rate=rate)


def a_quotation(value: str = "4.25", *, source: str = "NBP", on: date = date(2011, 9, 1)) -> Quotation:
    return Quotation(value=Decimal(value), source=source, on=on)


def a_rate(currency: str = "EUR", quotation: Quotation | None = None) -> Rate:
    return Rate.registered(RateId(new_id()), currency, quotation or a_quotation(), by=LOCAL_ACTOR, at=NOON)


def an_envelope(*, source: str = "/accounting/erp", message_id: str = "1") -> Envelope:
    """What surrounds a message that is being handled; handlers are given its body already read."""
    return Envelope(
        id=message_id,
        source=source,
        type="",
        subject=None,
        time=NOON,
        recorded_time=None,
        sequence=None,
        partition_key=None,
        correlation_id=None,
        causation_id=None,
        data_schema=None,
        data=b"",
    )


@dataclass(slots=True)
class Stored:
    """What a database would hold. Keys are those of the unique constraints."""

    grants: dict[GrantId, Grant] = field(default_factory=dict)
    balances: dict[GrantId, dict[str, LineBalance]] = field(default_factory=dict)
    commitments: dict[tuple[EventId, ApprovalId], Commitment] = field(default_factory=dict)
    expenditures: dict[tuple[str, str, LineId], Expenditure] = field(default_factory=dict)
    rates: dict[tuple[str, date, str], Rate] = field(default_factory=dict)


class InMemoryWork:
    """The port `application.ports.BudgetWork` without a database; `facts` are those of everything saved, in order."""

    def __init__(self, *, now: Instant = NOON, actor: str = LOCAL_ACTOR) -> None:
        self.now = now
        self.actor = actor
        self.incoming = an_envelope()
        self.stored = Stored()
        self.facts: list[Any] = []
        self.grants = _Grants(self)
        self.ledgers = _Ledgers(self)
        self.commitments = _Commitments(self)
        self.expenditures = _Expenditures(self)
        self.rates = _Rates(self)

    def holding(self, grant: Grant) -> GrantId:
        """Stores a grant without recording its facts."""
        kept = deepcopy(grant)
        kept.stored()
        self.stored.grants[kept.id] = kept
        self.stored.balances[kept.id] = {line.code: LineBalance.untouched(line) for line in kept.lines}
        return kept.id

    def balance(self, line: str) -> tuple[str, str]:
        """Committed and declared of the one line with this code."""
        (found,) = [lines[line] for lines in self.stored.balances.values() if line in lines]
        return found.committed.text, found.declared.text

    def keep(self, aggregate: Any) -> Any:
        """A copy as stored, its facts moved to `facts`."""
        self.facts += aggregate.stored()
        return deepcopy(aggregate)


@dataclass(slots=True)
class _Repository:
    work: InMemoryWork

    @property
    def stored(self) -> Stored:
        return self.work.stored


class _Grants(_Repository):
    async def coded(self, code: GrantCode) -> GrantId | None:
        return next((grant.id for grant in self.stored.grants.values() if grant.code == code), None)

    async def save(self, grant: Grant) -> None:
        self.work.holding(grant)
        self.work.keep(grant)


class _Ledgers(_Repository):
    async def lock(self, grant: GrantId | GrantCode) -> bool:
        """One at a time is all there is in memory."""
        return any(grant in {known.id, known.code} for known in self.stored.grants.values())

    async def find(self, grant: GrantId | GrantCode, lines: Iterable[str]) -> Ledger | None:
        for known in self.stored.grants.values():
            if grant in {known.id, known.code}:
                asked = set(lines)
                return Ledger(terms_of(known), [balance for code, balance in self.stored.balances[known.id].items() if code in asked])
        return None

    async def get(self, grant: GrantId | GrantCode, lines: Iterable[str]) -> Ledger:
        ledger = await self.find(grant, lines)
        if ledger is None:
            raise UnknownGrant(grant)
        return ledger

    async def save(self, ledger: Ledger) -> None:
        self.stored.balances[ledger.terms.id] |= {balance.code: balance for balance in ledger.changes()}


class _Commitments(_Repository):
    async def answered(self, event: EventId, approval: ApprovalId) -> bool:
        return (event, approval) in self.stored.commitments

    async def open_lines(self, event: EventId) -> Mapping[GrantId, Sequence[str]]:
        found = [kept for kept in self.stored.commitments.values() if kept.event == event and kept.is_open]
        return {
            grant: sorted({line.code for kept in found if kept.grant == grant for line in kept.lines if line.open.is_positive})
            for grant in sorted({kept.grant for kept in found})
        }

    async def open_of(self, event: EventId, grant: GrantId) -> Sequence[Commitment]:
        found = (kept for kept in self.stored.commitments.values() if (kept.event, kept.grant) == (event, grant) and kept.is_open)
        return deepcopy(sorted(found, key=lambda commitment: commitment.id))

    async def save(self, commitment: Commitment) -> None:
        stored = self.stored.commitments.get((commitment.event, commitment.approval))
        if commitment.version != (stored.version if stored else 0):
            raise StaleVersion("commitment", commitment.id, expected=commitment.version)
        self.stored.commitments[commitment.event, commitment.approval] = self.work.keep(commitment)


class _Expenditures(_Repository):
    async def of_document(self, document: Document, line: LineId) -> Expenditure | None:
        return self.stored.expenditures.get((document.issuer_key, document.number_key, line))

    async def save(self, expenditure: Expenditure) -> None:
        key = expenditure.document.issuer_key, expenditure.document.number_key, expenditure.line
        self.stored.expenditures[key] = self.work.keep(expenditure)


class _Rates(_Repository):
    async def quoted(self, currency: str, on: date, source: str) -> Rate | None:
        return self.stored.rates.get((currency, on, source))

    async def first_registered(self, currency: str, on: date) -> Rate | None:
        stored = (rate for (code, day, _), rate in self.stored.rates.items() if (code, day) == (currency, on))
        return min(stored, key=lambda rate: rate.id, default=None)

    async def add(self, rate: Rate) -> None:
        self.stored.rates[rate.currency, rate.quotation.on, rate.quotation.source] = rate
