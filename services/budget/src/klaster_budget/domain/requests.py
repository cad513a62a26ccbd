"""What an approved event asks of a grant."""

from dataclasses import dataclass

from klaster_budget.domain.ids import ApprovalId, EventId, GrantId, OrganisationId
from klaster_shared.errors import Invalid
from klaster_shared.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAmount:
    line_code: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """The event's, in both languages of the cluster: a refusal has to name the event to those it is told to."""

    pl: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentRequest:
    """Raises Invalid unless every cost is above zero and on a line of its own."""

    event: EventId
    approval: ApprovalId
    grant: GrantId
    costs: tuple[LineAmount, ...]
    host_organisation: OrganisationId
    title: Title

    def __post_init__(self) -> None:
        if not self.costs:
            raise Invalid("costs", "at least one is expected")
        if len({cost.line_code for cost in self.costs}) < len(self.costs):
            raise Invalid("costs", "a line is named twice")
        for index, cost in enumerate(self.costs):
            if not cost.amount.is_positive:
                raise Invalid(f"costs.{index}.amount", "an amount above zero is expected")
