"""What happens to events and registrations, in this service's own words. `adapters/publishing.py` says what leaves as a message."""

from dataclasses import dataclass

from klaster_events.domain.ids import ApprovalId, EventId, RegistrationId
from klaster_events.domain.proposal import Proposal
from klaster_events.domain.refusals import Refusal
from klaster_events.domain.registrant import CalendarEntry, Registrant, RegistrationStatus
from klaster_shared.aggregates import Fact
from klaster_shared.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFact(Fact):
    event: EventId
    proposal: Proposal
    at: Instant


class EventWasDrafted(EventFact):
    __slots__ = ()


class EventWasRevised(EventFact):
    __slots__ = ()


class EventWasSubmitted(EventFact):
    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWasApproved(EventFact):
    """`deadline`: until when an answer about the costs is waited for; None without costs."""

    approval: ApprovalId
    deadline: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWasReturnedToDraft(EventFact):
    approval: ApprovalId
    refusal: Refusal


class EventWasPublished(EventFact):
    __slots__ = ()


class EventWasCompleted(EventFact):
    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWasCancelled(EventFact):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFact(Fact):
    """`entry` is the event as the registrant's calendar is to show it."""

    registration: RegistrationId
    event: EventId
    registrant: Registrant
    entry: CalendarEntry
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationWasConfirmed(RegistrationFact):
    from_waitlist: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitlistWasJoined(RegistrationFact):
    """`position` as of joining: 1 is next in line."""

    position: int


class RegistrationWasWithdrawn(RegistrationFact):
    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationWasCancelled(RegistrationFact):
    was: RegistrationStatus
    reason: str


type FactOfEvent = (
    EventWasDrafted
    | EventWasRevised
    | EventWasSubmitted
    | EventWasApproved
    | EventWasReturnedToDraft
    | EventWasPublished
    | EventWasCompleted
    | EventWasCancelled
)
"""All of them, so that the type checker finds the one that `publishing.py` forgot."""

type FactOfRegistration = RegistrationWasConfirmed | WaitlistWasJoined | RegistrationWasWithdrawn | RegistrationWasCancelled
