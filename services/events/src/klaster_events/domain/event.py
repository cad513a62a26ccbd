"""The event: a workshop, internship, study visit or conference, from the first draft to its completion or cancellation.

The one rule: a step is allowed from the states that `_require` names and from no other. Whether the money is there is not the
event's to know: that is the approval's, under its own lock.
"""

from dataclasses import dataclass
from enum import StrEnum

from klaster_events.domain.errors import EventNotOpen, TransitionRefused, WithdrawalClosed
from klaster_events.domain.facts import (
    EventWasApproved,
    EventWasCancelled,
    EventWasCompleted,
    EventWasDrafted,
    EventWasPublished,
    EventWasReturnedToDraft,
    EventWasRevised,
    EventWasSubmitted,
)
from klaster_events.domain.ids import ApprovalId, EventId, RegistrationId
from klaster_events.domain.proposal import Proposal
from klaster_events.domain.refusals import Refusal
from klaster_events.domain.registrant import CalendarEntry
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant


class EventStatus(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    PUBLISHED = "published"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


_ALIVE = (EventStatus.DRAFT, EventStatus.SUBMITTED, EventStatus.APPROVED, EventStatus.PUBLISHED)


@dataclass(slots=True, kw_only=True)
class Event(Aggregate):
    id: EventId
    proposal: Proposal
    status: EventStatus = EventStatus.DRAFT
    cancellation_reason: str | None = None
    drafted_by: str
    drafted_at: Instant
    changed_at: Instant

    @classmethod
    def drafted(cls, id: EventId, proposal: Proposal, *, by: str, at: Instant) -> "Event":  # noqa: A002
        event = cls(id=id, proposal=proposal, drafted_by=by, drafted_at=at, changed_at=at)
        event.facts.append(EventWasDrafted(event=id, proposal=proposal, at=at))
        return event

    def revise(self, proposal: Proposal, *, at: Instant) -> None:
        """Only a draft can be revised: what was submitted is what is approved. The same proposal again is no revision."""
        self._require("revise", EventStatus.DRAFT)
        if proposal != self.proposal:
            self.proposal, self.changed_at = proposal, at
            self.facts.append(EventWasRevised(event=self.id, proposal=proposal, at=at))

    def submit(self, *, at: Instant) -> None:
        self._move("submit", EventStatus.SUBMITTED, EventStatus.DRAFT, at=at)
        self.facts.append(EventWasSubmitted(event=self.id, proposal=self.proposal, at=at))

    def approve(self, approval: ApprovalId, *, deadline: Instant | None, at: Instant) -> None:
        self._move("approve", EventStatus.APPROVED, EventStatus.SUBMITTED, at=at)
        self.facts.append(EventWasApproved(event=self.id, proposal=self.proposal, approval=approval, deadline=deadline, at=at))

    def return_to_draft(self, approval: ApprovalId, refusal: Refusal, *, at: Instant) -> None:
        self._move("return", EventStatus.DRAFT, EventStatus.APPROVED, at=at)
        self.facts.append(EventWasReturnedToDraft(event=self.id, proposal=self.proposal, approval=approval, refusal=refusal, at=at))

    def publish(self, *, at: Instant) -> None:
        self._move("publish", EventStatus.PUBLISHED, EventStatus.APPROVED, at=at)
        self.facts.append(EventWasPublished(event=self.id, proposal=self.proposal, at=at))

    def complete(self, *, at: Instant) -> None:
        """Whenever the office says so: projects of the past are entered, too, so no date is compared with today."""
        self._move("complete", EventStatus.COMPLETED, EventStatus.PUBLISHED, at=at)
        self.facts.append(EventWasCompleted(event=self.id, proposal=self.proposal, at=at))

    def cancel(self, reason: str, *, at: Instant) -> None:
        self._move("cancel", EventStatus.CANCELLED, *_ALIVE, at=at)
        self.cancellation_reason = reason
        self.facts.append(EventWasCancelled(event=self.id, proposal=self.proposal, reason=reason, at=at))

    def require_open(self) -> None:
        """Raises EventNotOpen unless the event takes registrations."""
        if self.status is not EventStatus.PUBLISHED:
            raise EventNotOpen(self.id, self.status)

    def require_withdrawals(self, registration: RegistrationId) -> None:
        """Raises WithdrawalClosed unless a place given up can still be another's."""
        if self.status is not EventStatus.PUBLISHED:
            raise WithdrawalClosed(registration, self.id, self.status)

    @property
    def entry(self) -> CalendarEntry:
        """As calendars are to show it, recorded facts included: they are part of the version that this transaction will store."""
        return CalendarEntry(
            title=self.proposal.title, schedule=self.proposal.schedule, place=self.proposal.place, sequence=self.version + len(self.facts)
        )

    def _move(self, transition: str, to: EventStatus, *allowed_from: EventStatus, at: Instant) -> None:
        self._require(transition, *allowed_from)
        self.status, self.changed_at = to, at

    def _require(self, transition: str, *allowed_from: EventStatus) -> None:
        if self.status not in allowed_from:
            raise TransitionRefused(self.id, transition, self.status, allowed_from)
