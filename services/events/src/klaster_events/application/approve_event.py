"""The office consents, and budget is asked for the costs: the beginning of the approval saga (README, "Rules")."""

from dataclasses import dataclass
from datetime import timedelta

from klaster_events.application.ports import EventsWork
from klaster_events.domain.approval import Consent
from klaster_events.domain.attempt import Attempt
from klaster_events.domain.event import Event
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveEvent:
    """`answer_within`: how long budget may take; without costs nobody is asked and nothing is waited for."""

    event: EventId
    answer_within: timedelta
    expected: int | None = None


async def approve_event(command: ApproveEvent, work: EventsWork) -> Event:
    approval = await work.approvals.locked(command.event)
    event = await work.events.get(command.event, command.expected)
    deadline = work.now + command.answer_within if event.proposal.needs_money else None
    consent = Consent(id=ApprovalId(new_id()), by=work.actor, at=work.now, flow=work.origin.correlation_id, deadline=deadline)
    event.approve(consent.id, deadline=deadline, at=work.now)
    approval.begin(consent, needs_money=event.proposal.needs_money)
    await work.events.save(event)
    await work.approvals.save(approval)
    await work.attempts.save(Attempt.begun(event.id, consent))
    return event
