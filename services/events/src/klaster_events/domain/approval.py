"""The approval process of an event: from the office's consent until the money for it is promised, refused, or overdue.

The one rule: an answer of the budget counts only while its own approval is the current one and still waits for it. Every other
answer is late, and a late answer is passed over, never an error.
"""

from dataclasses import dataclass
from enum import StrEnum

from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.refusals import Refusal
from klaster_shared.clock import Instant


class Financing(StrEnum):
    """`none`: nothing asked for; `pending`: budget has been asked; `released`: a cancelled event's money went back."""

    NONE = "none"
    PENDING = "pending"
    SECURED = "secured"
    REFUSED = "refused"
    RELEASED = "released"


class Ignored(StrEnum):
    """Why an answer changes nothing."""

    UNKNOWN_EVENT = "unknown-event"
    UNKNOWN_APPROVAL = "unknown-approval"
    NOT_CURRENT = "approval-not-current"
    NOT_AWAITED = "answer-not-awaited"


@dataclass(slots=True, kw_only=True)
class Consent:
    """The current attempt: who approved, when, and until when budget may answer (None once nobody waits for it).

    `flow` is the correlation id of everything that follows from it.
    """

    id: ApprovalId
    by: str
    at: Instant
    flow: str
    deadline: Instant | None


@dataclass(slots=True, kw_only=True)
class Approval:
    """One per event, changed only under its row lock. Not part of the Event: it has no version and records no facts."""

    event: EventId
    financing: Financing = Financing.NONE
    refusal: Refusal | None = None
    consent: Consent | None = None

    def resubmitted(self) -> None:
        """A proposal submitted anew has asked nobody for money yet; what became of the attempt before is over."""
        self.financing, self.refusal = Financing.NONE, None

    def begin(self, consent: Consent, *, needs_money: bool) -> None:
        """A new attempt replaces the one before, whose answers are late from now on."""
        self.consent = consent
        self.financing = Financing.PENDING if needs_money else Financing.NONE
        self.refusal = None

    @property
    def allows_publication(self) -> bool:
        return self.financing in {Financing.NONE, Financing.SECURED}

    @property
    def waits_for(self) -> Consent | None:
        """The attempt whose deadline is open."""
        return self.consent if self.consent is not None and self.consent.deadline is not None else None

    def ignores_decision(self, attempt: ApprovalId, event: Event) -> Ignored | None:
        """Why `reserved` or `refused` no longer matters; None when it does."""
        if self.consent is None or self.consent.id != attempt:
            return Ignored.NOT_CURRENT
        if self.financing is not Financing.PENDING or event.status not in {EventStatus.APPROVED, EventStatus.CANCELLED}:
            return Ignored.NOT_AWAITED
        return None

    def ignores_deadline(self, attempt: ApprovalId) -> Ignored | None:
        """Why a deadline that has passed no longer matters; None when the attempt is still waited for."""
        if self.consent is None or self.consent.id != attempt:
            return Ignored.NOT_CURRENT
        return None if self.waits_for else Ignored.NOT_AWAITED

    def counts_release(self, attempt: ApprovalId, event: Event) -> bool:
        """Whether `released` is what becomes of the financing: money comes back for other reasons, too, a return to draft being the usual one."""
        return self.consent is not None and self.consent.id == attempt and event.status is EventStatus.CANCELLED

    def secure(self) -> None:
        self.financing = Financing.SECURED
        self.close()

    def refuse(self, refusal: Refusal) -> None:
        self.financing, self.refusal = Financing.REFUSED, refusal
        self.close()

    def release(self) -> None:
        self.financing = Financing.RELEASED
        self.close()

    def close(self) -> None:
        """Nobody waits any longer, so nothing can become overdue. What is pending stays pending until budget has answered."""
        if self.consent is not None:
            self.consent.deadline = None
