"""Money that a document shows was spent: first what was reserved for its event, then what its line has available.

The one rule: an amount that neither covers is refused as a whole; nothing is declared in part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.documents import Document
from klaster_budget.domain.facts import ExpenditureWasDeclared
from klaster_budget.domain.ids import EventId, ExpenditureId, GrantId, LineId
from klaster_budget.domain.ledger import Ledger
from klaster_budget.domain.rates import Quotation
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant
from klaster_shared.errors import Invalid
from klaster_shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody says was spent. `rate` is what they want it converted by, None when they leave that to the stored rates. Raises
    Invalid unless the amount is above zero.
    """

    line_code: str
    event: EventId | None
    document: Document
    amount: Money
    rate: Quotation | None

    def __post_init__(self) -> None:
        if not self.amount.is_positive:
            raise Invalid("amount", "an amount above zero is expected")

    def converted(self, currency: str, rate: Quotation | None) -> Money:
        """The amount in the grant's currency. Raises Invalid when it comes to nothing or to more digits than an amount may have."""
        if rate is None:
            return self.amount
        converted = self.amount.convert(rate.value, currency)
        if not converted.is_positive:
            raise Invalid("amount", "converted it is less than the smallest unit of the grant's currency")
        return converted


@dataclass(slots=True, kw_only=True)
class Expenditure(Aggregate):
    """`amount` and `document` as declared; `rate` is there when they are not in the grant's currency, and stays what it was. `source` says
    through which channel it came, `declared_by` who brought it.
    """

    id: ExpenditureId
    grant: GrantId
    line: LineId
    line_code: str
    event: EventId | None
    document: Document
    amount: Money
    rate: Quotation | None
    in_grant_currency: Money
    from_commitments: Money
    source: str
    declared_by: str
    declared_at: Instant

    @classmethod
    def declared(
        cls,
        key: ExpenditureId,
        claim: Claim,
        *,
        rate: Quotation | None,
        ledger: Ledger,
        commitments: Sequence[Commitment],
        source: str,
        by: str,
        at: Instant,
    ) -> Self:
        """Consumes what `commitments`, the event's own, have open on the line, in their order, and takes the rest from the line.

        Raises:
            LineExceeded: the rest is more than the line has available.
            Invalid: the amount cannot be converted.
        """
        amount = claim.converted(ledger.currency, rate)
        reserved = Money.sum((commitment.open_on(claim.line_code, ledger.currency) for commitment in commitments), ledger.currency)
        from_commitments = min(amount, reserved)
        ledger.declare(claim.line_code, amount, from_commitments=from_commitments)  # refuses before anything is consumed
        rest = from_commitments
        for commitment in commitments:
            rest -= commitment.consume(claim.line_code, rest, at=at)
        expenditure = cls(
            id=key,
            grant=ledger.terms.id,
            line=ledger[claim.line_code].id,
            line_code=claim.line_code,
            event=claim.event,
            document=claim.document,
            amount=claim.amount,
            rate=rate,
            in_grant_currency=amount,
            from_commitments=from_commitments,
            source=source,
            declared_by=by,
            declared_at=at,
        )
        expenditure.facts.append(expenditure._as_declared())
        return expenditure

    def says_the_same_as(self, claim: Claim) -> bool:
        """Whether a claim of the same document on the same line adds nothing new. A claim without a rate contradicts none."""
        return (
            claim.document.issued_on == self.document.issued_on
            and claim.event == self.event
            and claim.amount == self.amount
            and claim.rate in {None, self.rate}
        )

    def _as_declared(self) -> ExpenditureWasDeclared:
        return ExpenditureWasDeclared(
            expenditure=self.id,
            grant=self.grant,
            line_code=self.line_code,
            event=self.event,
            document=self.document,
            amount=self.amount,
            rate=self.rate,
            in_grant_currency=self.in_grant_currency,
            from_commitments=self.from_commitments,
            at=self.declared_at,
        )
