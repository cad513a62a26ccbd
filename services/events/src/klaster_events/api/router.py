"""The routes: parse, call, translate."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from klaster_events.api.bounds import Since, Until
from klaster_events.api.calendar import MEDIA_TYPE, calendar_file
from klaster_events.api.dependencies import AnswerWithin, Asked, Work
from klaster_events.api.schemas import AttemptOut, CancellationIn, EventIn, EventOut, EventPatch, RegistrationIn, RegistrationOut
from klaster_events.application.approve_event import ApproveEvent, approve_event
from klaster_events.application.cancel_event import cancel_event
from klaster_events.application.complete_event import CompleteEvent, complete_event
from klaster_events.application.draft_event import draft_event
from klaster_events.application.publish_event import PublishEvent, publish_event
from klaster_events.application.queries import EventsAsked, RegistrationInLine, RegistrationsAsked
from klaster_events.application.register_participant import register_participant
from klaster_events.application.revise_event import revise_event
from klaster_events.application.submit_event import SubmitEvent, submit_event
from klaster_events.application.withdraw_registration import WithdrawRegistration, withdraw_registration
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.proposal import EventKind
from klaster_events.domain.registrant import Locale, RegistrationStatus
from klaster_shared.web.commands import CommandRoute
from klaster_shared.web.etags import IfMatch, RequiredIfMatch, created, etag, tag_response
from klaster_shared.web.pagination import Page, PageOf

router = APIRouter(prefix="/v1", route_class=CommandRoute)


async def _shown(event: Event, work: Work, response: Response) -> EventOut:
    tag_response(response, event.version)
    return EventOut.of(await work.agenda.event(event.id))


@router.post("/events", status_code=201, tags=["events"])
async def draft(body: EventIn, work: Work, response: Response) -> EventOut:
    event = await draft_event(body.command(), work)
    created(response, f"/v1/events/{event.id}", event.version)
    return await _shown(event, work, response)


@router.patch("/events/{event_id}", tags=["events"])
async def revise(event_id: EventId, body: EventPatch, work: Work, response: Response, expected: RequiredIfMatch) -> EventOut:
    """Only a draft can be changed: what was submitted is what is approved."""
    return await _shown(await revise_event(body.command(event_id, expected), work), work, response)


@router.post("/events/{event_id}/submit", tags=["events"])
async def submit(event_id: EventId, work: Work, response: Response, expected: IfMatch) -> EventOut:
    return await _shown(await submit_event(SubmitEvent(event=event_id, expected=expected), work), work, response)


@router.post("/events/{event_id}/approve", tags=["events"])
async def approve(event_id: EventId, work: Work, response: Response, expected: IfMatch, answer_within: AnswerWithin) -> EventOut:
    """With costs, budget is asked for the money: `financing` is `pending` until it has answered, at the latest by the deadline."""
    command = ApproveEvent(event=event_id, answer_within=answer_within, expected=expected)
    return await _shown(await approve_event(command, work), work, response)


@router.post("/events/{event_id}/publish", tags=["events"])
async def publish(event_id: EventId, work: Work, response: Response, expected: IfMatch) -> EventOut:
    return await _shown(await publish_event(PublishEvent(event=event_id, expected=expected), work), work, response)


@router.post("/events/{event_id}/complete", tags=["events"])
async def complete(event_id: EventId, work: Work, response: Response, expected: IfMatch) -> EventOut:
    return await _shown(await complete_event(CompleteEvent(event=event_id, expected=expected), work), work, response)


@router.post("/events/{event_id}/cancel", tags=["events"])
async def cancel(event_id: EventId, body: CancellationIn, work: Work, response: Response, expected: IfMatch) -> EventOut:
    return await _shown(await cancel_event(body.command(event_id, expected), work), work, response)


@router.get("/events", tags=["events"])
async def list_events(
    asked: Asked,
    paging: PageOf,
    status: EventStatus | None = None,
    kind: EventKind | None = None,
    since: Annotated[Since | None, Query(alias="from", description="Events that start at this instant or on this day, or later.")] = None,
    until: Annotated[Until | None, Query(alias="to", description="Events that start before this instant, or at the latest on this day.")] = None,
) -> Page[EventOut]:
    found = await asked.events(EventsAsked(status=status, kind=kind, starts_from=since, starts_before=until), after=paging.after, rows=paging.rows)
    return paging.page([EventOut.of(event) for event in found])


@router.get("/events/{event_id}.ics", tags=["events"], response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
async def show_in_calendar(event_id: EventId, asked: Asked, locale: Locale = Locale.PL) -> Response:
    """The event as an iCalendar file, with its title in the language of `locale`."""
    event = (await asked.event(event_id)).event
    headers = {"ETag": etag(event.version), "Content-Disposition": f'inline; filename="event-{event.id}.ics"'}
    return Response(calendar_file(event, locale), media_type=MEDIA_TYPE, headers=headers)


@router.get("/events/{event_id}", tags=["events"])
async def show_event(event_id: EventId, asked: Asked, response: Response) -> EventOut:
    found = await asked.event(event_id)
    tag_response(response, found.event.version)
    return EventOut.of(found)


@router.get("/events/{event_id}/approvals", tags=["events"])
async def list_approvals(event_id: EventId, asked: Asked, paging: PageOf) -> Page[AttemptOut]:
    """Every approval the event has had, what became of it, and whether money reserved for it was given back."""
    found = await asked.attempts(event_id, after=paging.after, rows=paging.rows)
    return paging.page([AttemptOut.of(attempt) for attempt in found])


@router.post("/events/{event_id}/registrations", status_code=201, tags=["registrations"])
async def register(event_id: EventId, body: RegistrationIn, work: Work, response: Response) -> RegistrationOut:
    """A seat while one is free, else the end of the waiting list."""
    made = await register_participant(body.command(event_id), work)
    created(response, f"/v1/registrations/{made.registration.id}", made.registration.version)
    return RegistrationOut.of(made)


@router.get("/events/{event_id}/registrations", tags=["registrations"])
async def list_registrations(event_id: EventId, asked: Asked, paging: PageOf, status: RegistrationStatus | None = None) -> Page[RegistrationOut]:
    found = await asked.registrations(RegistrationsAsked(event=event_id, status=status), after=paging.after, rows=paging.rows)
    return paging.page([RegistrationOut.of(registration) for registration in found])


@router.get("/registrations/{registration_id}", tags=["registrations"])
async def show_registration(registration_id: RegistrationId, asked: Asked, response: Response) -> RegistrationOut:
    found = await asked.registration(registration_id)
    tag_response(response, found.registration.version)
    return RegistrationOut.of(found)


@router.post("/registrations/{registration_id}/withdraw", tags=["registrations"])
async def withdraw(registration_id: RegistrationId, work: Work, response: Response, expected: IfMatch) -> RegistrationOut:
    """A seat given up goes to the head of the waiting list at once."""
    registration = await withdraw_registration(WithdrawRegistration(registration=registration_id, expected=expected), work)
    tag_response(response, registration.version)
    return RegistrationOut.of(RegistrationInLine(registration, None))
