"""What is proposed for approval: everything that describes an event, fixed from the moment it is submitted.

The one rule: a proposal that exists is consistent, so that approval, seats and calendars never have to look twice.
"""

from dataclasses import dataclass
from enum import StrEnum

from klaster_events.domain.ids import GrantId, OrganisationId
from klaster_events.domain.schedule import Schedule
from klaster_shared.countries import Country
from klaster_shared.errors import Invalid
from klaster_shared.money import Money

MOST_COSTS = 100
MOST_SEATS = 100_000


class EventKind(StrEnum):
    WORKSHOP = "workshop"
    INTERNSHIP = "internship"
    STUDY_VISIT = "study_visit"
    STRATEGY_WORKSHOP = "strategy_workshop"
    CONFERENCE = "conference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """The same title in the two languages of the cluster."""

    pl: str
    en: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What an event needs of one line of its grant. Raises Invalid for an amount that is not above zero."""

    line_code: str
    amount: Money

    def __post_init__(self) -> None:
        if not self.amount.is_positive:
            raise Invalid("costs", f"the amount of line {self.line_code} must be above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Raises Invalid for costs without a grant, a line named twice, too many costs, and a capacity below one or beyond `MOST_SEATS`.

    `public`: open to all and publicly advertised; a closed event counts its participations instead (indicator RCO81).
    """

    title: Title
    kind: EventKind
    public: bool
    host: OrganisationId
    place: str
    country: Country
    schedule: Schedule
    capacity: int
    grant: GrantId | None = None
    costs: tuple[Cost, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.capacity <= MOST_SEATS:
            raise Invalid("capacity", f"must be 1 to {MOST_SEATS}")
        if len(self.costs) > MOST_COSTS:
            raise Invalid("costs", f"at most {MOST_COSTS} lines")
        if len({cost.line_code for cost in self.costs}) != len(self.costs):
            raise Invalid("costs", "a line is named twice; give one amount per line")
        if self.costs and self.grant is None:
            raise Invalid("grant_id", "costs need the grant that is to bear them")

    @property
    def needs_money(self) -> bool:
        return bool(self.costs)
