"""What the events service says: the life of an event up to its completion or cancellation, and who has a seat in it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import Body, CostLine, Country, Instant, Locale, LocalisedText, Message, MoneyValue, Personal, Shortfall
from klaster_shared.contracts.registry import message

EventKind = Literal["workshop", "internship", "study_visit", "strategy_workshop", "conference"]
Count = Annotated[int, Field(ge=0)]
Ordinal = Annotated[int, Field(ge=1)]


class EventBrief(Body):
    """What a person has to know of an event to be there. `time_zone` is an IANA name, `sequence` the event's version, as in iCalendar."""

    title: LocalisedText
    starts_at: Instant
    ends_at: Instant
    time_zone: str
    place: str
    sequence: Count


class Refusal(Body):
    """Why an event is not financed. Line and sums are there when a line fell short; `line_code` alone when it is unknown."""

    reason: Literal["insufficient", "unknown_grant", "unknown_line", "other_currency", "overdue"]
    line_code: str | None = None
    short_by: MoneyValue | None = None
    shortfalls: tuple[Shortfall, ...] = ()


class _Description(Message):
    event_id: UUID
    title: LocalisedText
    kind: EventKind
    public: bool
    starts_at: Instant
    ends_at: Instant
    time_zone: str
    place: str
    country: Country
    host_organisation_id: UUID
    capacity: Count
    grant_id: UUID | None
    costs: tuple[CostLine, ...]


class _Milestone(Message):
    event_id: UUID
    title: LocalisedText
    kind: EventKind
    starts_at: Instant
    ends_at: Instant


@message(topics.EVENTS_EVENT, subject="event_id")
class EventDrafted(_Description):
    pass


@message(topics.EVENTS_EVENT, subject="event_id")
class EventRevised(_Description):
    """The whole description after the change, not the difference."""


@message(topics.EVENTS_EVENT, subject="event_id")
class EventSubmitted(_Milestone):
    pass


@message(topics.EVENTS_EVENT, subject="event_id")
class EventApproved(Message):
    """Asks budget to reserve `costs`, all or none, before `deadline`. Without costs there is nothing to reserve and no deadline."""

    event_id: UUID
    approval_id: UUID
    grant_id: UUID | None
    costs: tuple[CostLine, ...]
    deadline: Instant | None
    host_organisation_id: UUID
    title: LocalisedText


@message(topics.EVENTS_EVENT, subject="event_id")
class EventReturnedToDraft(Message):
    """The approval named here is over; whatever was reserved for it is to be released."""

    event_id: UUID
    approval_id: UUID
    reason: Literal["refused", "overdue"]
    refusal: Refusal | None = None


@message(topics.EVENTS_EVENT, subject="event_id")
class EventPublished(_Milestone):
    pass


@message(topics.EVENTS_EVENT, subject="event_id")
class EventCancelled(Message):
    event_id: UUID
    title: LocalisedText
    reason: str


@message(topics.EVENTS_EVENT, subject="event_id")
class EventCompleted(_Milestone):
    pass


@message(topics.EVENTS_APPROVAL, subject="approval_id", scheduled=True)
class ApprovalFellDue(Message):
    """The time in which budget could answer this approval is over. Whether it has answered, the reader has to know."""

    approval_id: UUID
    event_id: UUID
    deadline: Instant


class _Registration(Message):
    registration_id: UUID
    event_id: UUID
    event: EventBrief
    name: Annotated[str, Personal]
    email: Annotated[str, Personal]
    locale: Locale
    organisation_id: UUID | None


@message(topics.EVENTS_REGISTRATION, subject="registration_id")
class RegistrationConfirmed(_Registration):
    """`from_waitlist`: the seat came free while the person was waiting."""

    from_waitlist: bool


@message(topics.EVENTS_REGISTRATION, subject="registration_id")
class WaitlistJoined(_Registration):
    """`position` as of joining: 1 is next in line."""

    position: Ordinal


@message(topics.EVENTS_REGISTRATION, subject="registration_id")
class RegistrationWithdrawn(_Registration):
    pass


@message(topics.EVENTS_REGISTRATION, subject="registration_id")
class RegistrationCancelled(_Registration):
    """The event was cancelled, for `reason`. Only who `was` confirmed has it in the calendar."""

    was: Literal["confirmed", "waitlisted"]
    reason: str | None = None
