"""What leaves this service: one message for each fact, and one for each deadline that passes, in the words of the wire contract."""

from typing import Any, assert_never

from klaster_events.domain.facts import (
    EventFact,
    EventWasApproved,
    EventWasCancelled,
    EventWasCompleted,
    EventWasDrafted,
    EventWasPublished,
    EventWasReturnedToDraft,
    EventWasRevised,
    EventWasSubmitted,
    FactOfEvent,
    FactOfRegistration,
    RegistrationFact,
    RegistrationWasCancelled,
    RegistrationWasConfirmed,
    RegistrationWasWithdrawn,
    WaitlistWasJoined,
)
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.proposal import Cost, Title
from klaster_events.domain.refusals import Reason, Refusal
from klaster_events.domain.registrant import CalendarEntry
from klaster_shared.clock import Instant
from klaster_shared.contracts import events as wire
from klaster_shared.contracts.bodies import CostLine, LocalisedText, Message, MoneyValue, Shortfall
from klaster_shared.money import Money


def event_message(fact: FactOfEvent) -> Message:
    match fact:
        case EventWasDrafted():
            return wire.EventDrafted(**_description(fact))
        case EventWasRevised():
            return wire.EventRevised(**_description(fact))
        case EventWasSubmitted():
            return wire.EventSubmitted(**_milestone(fact))
        case EventWasApproved():
            return _approved(fact)
        case EventWasReturnedToDraft():
            return _returned(fact)
        case EventWasPublished():
            return wire.EventPublished(**_milestone(fact))
        case EventWasCompleted():
            return wire.EventCompleted(**_milestone(fact))
        case EventWasCancelled():
            return wire.EventCancelled(event_id=fact.event, title=_title(fact.proposal.title), reason=fact.reason)
        case _:
            assert_never(fact)


def registration_message(fact: FactOfRegistration) -> Message:
    match fact:
        case RegistrationWasConfirmed():
            return wire.RegistrationConfirmed(**_registration(fact), from_waitlist=fact.from_waitlist)
        case WaitlistWasJoined():
            return wire.WaitlistJoined(**_registration(fact), position=fact.position)
        case RegistrationWasWithdrawn():
            return wire.RegistrationWithdrawn(**_registration(fact))
        case RegistrationWasCancelled():
            return wire.RegistrationCancelled(**_registration(fact), was=fact.was, reason=fact.reason)
        case _:
            assert_never(fact)


def fell_due_message(event: EventId, approval: ApprovalId, deadline: Instant) -> Message:
    return wire.ApprovalFellDue(approval_id=approval, event_id=event, deadline=deadline)


def _approved(fact: EventWasApproved) -> wire.EventApproved:
    return wire.EventApproved(
        event_id=fact.event,
        approval_id=fact.approval,
        grant_id=fact.proposal.grant,
        costs=_costs(fact.proposal.costs),
        deadline=fact.deadline,
        host_organisation_id=fact.proposal.host,
        title=_title(fact.proposal.title),
    )


def _returned(fact: EventWasReturnedToDraft) -> wire.EventReturnedToDraft:
    reason = "overdue" if fact.refusal.reason is Reason.OVERDUE else "refused"
    return wire.EventReturnedToDraft(event_id=fact.event, approval_id=fact.approval, reason=reason, refusal=_refusal(fact.refusal))


def _description(fact: EventFact) -> dict[str, Any]:
    proposal = fact.proposal
    return {
        **_milestone(fact),
        "public": proposal.public,
        "time_zone": proposal.schedule.time_zone,
        "place": proposal.place,
        "country": proposal.country,
        "host_organisation_id": proposal.host,
        "capacity": proposal.capacity,
        "grant_id": proposal.grant,
        "costs": _costs(proposal.costs),
    }


def _milestone(fact: EventFact) -> dict[str, Any]:
    schedule = fact.proposal.schedule
    return {
        "event_id": fact.event,
        "title": _title(fact.proposal.title),
        "kind": fact.proposal.kind,
        "starts_at": schedule.starts_at,
        "ends_at": schedule.ends_at,
    }


def _registration(fact: RegistrationFact) -> dict[str, Any]:
    return {
        "registration_id": fact.registration,
        "event_id": fact.event,
        "event": _brief(fact.entry),
        "name": fact.registrant.name,
        "email": fact.registrant.email,
        "locale": fact.registrant.locale,
        "organisation_id": fact.registrant.organisation,
    }


def _brief(entry: CalendarEntry) -> wire.EventBrief:
    return wire.EventBrief(
        title=_title(entry.title),
        starts_at=entry.schedule.starts_at,
        ends_at=entry.schedule.ends_at,
        time_zone=entry.schedule.time_zone,
        place=entry.place,
        sequence=entry.sequence,
    )


def _title(title: Title) -> LocalisedText:
    return LocalisedText(pl=title.pl, en=title.en)


def _money(money: Money) -> MoneyValue:
    return MoneyValue(amount=money.amount, currency=money.currency)


def _costs(costs: tuple[Cost, ...]) -> tuple[CostLine, ...]:
    return tuple(CostLine(line_code=cost.line_code, amount=_money(cost.amount)) for cost in costs)


def _refusal(refusal: Refusal) -> wire.Refusal:
    return wire.Refusal(
        reason=refusal.reason.value,
        line_code=refusal.line_code,
        short_by=None if refusal.short_by is None else _money(refusal.short_by),
        shortfalls=tuple(Shortfall(line_code=short.line_code, short_by=_money(short.short_by)) for short in refusal.shortfalls),
    )
