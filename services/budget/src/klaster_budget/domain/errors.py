"""What the budget refuses. Amounts in the fields have the wire's form, because they become members of the problem document."""

from datetime import date

from klaster_budget.domain.ids import ExpenditureId, GrantCode, GrantId
from klaster_shared.errors import NotFound, Refused
from klaster_shared.money import Money


def shown(money: Money) -> dict[str, str]:
    return {"amount": money.text, "currency": money.currency}


class GrantCodeTaken(Refused):
    """Another grant has this code. Codes are how other systems cite a grant, so each names one only."""

    slug = "grant-code-taken"

    def __init__(self, code: GrantCode) -> None:
        super().__init__(f"There is a grant {code} already.", code=code)


class UnknownGrant(NotFound):
    """There is no grant with this id or code. `GET /v1/grants` lists them."""

    slug = "unknown-grant"

    def __init__(self, grant: GrantId | GrantCode) -> None:
        super().__init__("grant", grant)


class UnknownLine(NotFound):
    """The grant has no line with this code. `GET /v1/grants/{id}` lists its lines."""

    slug = "unknown-line"

    def __init__(self, code: str) -> None:
        super().__init__("line", code)


class LineExceeded(Refused):
    """The amount is more than what is open for the event on this line and what the line has available. `short_by` says how much is missing."""

    slug = "line-exceeded"

    def __init__(self, line_code: str, *, asked: Money, available: Money) -> None:
        super().__init__(
            f"Line {line_code} has {available} available; {asked} is asked of it.",
            line_code=line_code,
            available=shown(available),
            short_by=shown(asked - available),
        )


class OutsideGrantPeriod(Refused):
    """The document was issued before the grant began or after it ended, so the grant cannot bear it."""

    slug = "outside-grant-period"

    def __init__(self, issued_on: date, starts_on: date, ends_on: date) -> None:
        super().__init__(
            f"Issued on {issued_on}; the grant runs from {starts_on} to {ends_on}.", issued_on=issued_on, starts_on=starts_on, ends_on=ends_on
        )


class DocumentAlreadyDeclared(Refused):
    """The document is declared on this line already. `same_content` says whether amount, date, event and rate are the same as well."""

    slug = "document-already-declared"

    def __init__(self, declared: ExpenditureId, *, same_content: bool) -> None:
        super().__init__("The document is declared on this line already.", expenditure_id=declared, same_content=same_content)
        self.declared = declared
        self.same_content = same_content


class DocumentConflict(Refused):
    """A booked invoice says something else than what was declared from the same document on the same line. Compare both with the paper,
    correct the one that is wrong at its source, and skip the message.
    """

    slug = "conflict"

    def __init__(self, declared: ExpenditureId) -> None:
        super().__init__("The document is declared on this line with other content.", expenditure_id=declared)


class RateMissing(Refused):
    """No rate of this currency is stored for the day of issue, and none was given. Register one or give it with the expenditure."""

    slug = "rate-missing"
    retryable = True

    def __init__(self, currency: str, day: date) -> None:
        super().__init__(f"No rate of {currency} is stored for {day}.", currency=currency, date=day)


class RateTaken(Refused):
    """A rate of this currency, day and source is stored already. Rates never change: expenditures were converted by them."""

    slug = "rate-already-registered"

    def __init__(self, currency: str, day: date, source: str) -> None:
        super().__init__(f"A rate of {currency} for {day} from {source} is stored already.", currency=currency, date=day, source=source)
