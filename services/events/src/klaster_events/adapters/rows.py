"""How stored rows become aggregates and back, for commands and for queries alike."""

from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Table, Text, cast
from sqlalchemy.dialects.postgresql import JSONB

from klaster_events.domain.approval import Approval, Consent, Financing
from klaster_events.domain.attempt import Attempt, Outcome, Release
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.ids import ApprovalId, EventId, GrantId, OrganisationId, RegistrationId
from klaster_events.domain.proposal import Cost, EventKind, Proposal, Title
from klaster_events.domain.refusals import Reason, Refusal, Shortfall
from klaster_events.domain.registrant import EmailAddress, Locale, Registrant, RegistrationStatus
from klaster_events.domain.registration import Registration
from klaster_events.domain.schedule import Schedule
from klaster_events.domain.seats import Seats
from klaster_shared.countries import Country
from klaster_shared.db.statements import Row
from klaster_shared.money import Money


def columns_of(table: Table) -> list[ColumnElement[Any]]:
    """For a SELECT whose rows are read here. jsonb comes as text, which is what every connection gives alike: the pool's ones would
    decode it.
    """
    return [cast(column, Text).label(column.name) if isinstance(column.type, JSONB) else column for column in table.columns]


def event_row(event: Event) -> dict[str, Any]:
    proposal, schedule = event.proposal, event.proposal.schedule
    return {
        "id": event.id,
        "title_pl": proposal.title.pl,
        "title_en": proposal.title.en,
        "kind": proposal.kind,
        "public": proposal.public,
        "host_organisation_id": proposal.host,
        "place": proposal.place,
        "country": proposal.country,
        "starts_at": schedule.starts_at,
        "ends_at": schedule.ends_at,
        "time_zone": schedule.time_zone,
        "capacity": proposal.capacity,
        "grant_id": proposal.grant,
        "costs": _costs_json(proposal.costs),
        "status": event.status,
        "cancellation_reason": event.cancellation_reason,
        "drafted_by": event.drafted_by,
        "drafted_at": event.drafted_at,
        "changed_at": event.changed_at,
    }


def event_of(row: Row) -> Event:
    return Event(
        id=EventId(row["id"]),
        proposal=Proposal(
            title=Title(pl=row["title_pl"], en=row["title_en"]),
            kind=EventKind(row["kind"]),
            public=row["public"],
            host=OrganisationId(row["host_organisation_id"]),
            place=row["place"],
            country=Country(row["country"]),
            schedule=Schedule(starts_at=row["starts_at"], ends_at=row["ends_at"], time_zone=row["time_zone"]),
            capacity=row["capacity"],
            grant=row["grant_id"] and GrantId(row["grant_id"]),
            costs=_costs_of(row["costs"]),
        ),
        status=EventStatus(row["status"]),
        cancellation_reason=row["cancellation_reason"],
        drafted_by=row["drafted_by"],
        drafted_at=row["drafted_at"],
        changed_at=row["changed_at"],
        version=row["version"],
    )


def approval_row(approval: Approval) -> dict[str, Any]:
    consent = approval.consent
    return {
        "financing": approval.financing,
        "refusal": approval.refusal and _json(_refusal_json(approval.refusal)),
        "approval_id": consent and consent.id,
        "approved_by": consent and consent.by,
        "approved_at": consent and consent.at,
        "flow": consent and consent.flow,
        "deadline": consent and consent.deadline,
    }


def approval_of(row: Row) -> Approval:
    consent = None
    if row["approval_id"] is not None:
        consent = Consent(id=ApprovalId(row["approval_id"]), by=row["approved_by"], at=row["approved_at"], flow=row["flow"], deadline=row["deadline"])
    return Approval(
        event=EventId(row["event_id"]),
        financing=Financing(row["financing"]),
        refusal=None if row["refusal"] is None else _refusal_of(orjson.loads(row["refusal"])),
        consent=consent,
    )


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "event_id": attempt.event,
        "approved_by": attempt.by,
        "approved_at": attempt.at,
        "deadline": attempt.deadline,
        "outcome": attempt.outcome,
        "refusal": attempt.refusal and _json(_refusal_json(attempt.refusal)),
        "closed_at": attempt.closed_at,
        "answered_at": attempt.answered_at,
        "released_at": attempt.release and attempt.release.at,
        "released": attempt.release and _costs_json(attempt.release.lines),
    }


def attempt_of(row: Row) -> Attempt:
    return Attempt(
        id=ApprovalId(row["id"]),
        event=EventId(row["event_id"]),
        by=row["approved_by"],
        at=row["approved_at"],
        deadline=row["deadline"],
        outcome=Outcome(row["outcome"]),
        refusal=None if row["refusal"] is None else _refusal_of(orjson.loads(row["refusal"])),
        closed_at=row["closed_at"],
        answered_at=row["answered_at"],
        release=None if row["released_at"] is None else Release(row["released_at"], _costs_of(row["released"])),
    )


def seats_row(seats: Seats) -> dict[str, Any]:
    return {"capacity": seats.capacity, "confirmed": seats.confirmed, "waiting": seats.waiting, "last_number": seats.last_number}


def seats_of(row: Row) -> Seats:
    return Seats(
        event=EventId(row["event_id"]),
        capacity=row["capacity"],
        confirmed=row["confirmed"],
        waiting=row["waiting"],
        last_number=row["last_number"],
    )


def registration_row(registration: Registration) -> dict[str, Any]:
    registrant = registration.registrant
    return {
        "id": registration.id,
        "event_id": registration.event,
        "name": registrant.name,
        "email": registrant.email,
        "locale": registrant.locale,
        "organisation_id": registrant.organisation,
        "status": registration.status,
        "number": registration.number,
        "registered_at": registration.registered_at,
        "changed_at": registration.changed_at,
    }


def registration_of(row: Row) -> Registration:
    return Registration(
        id=RegistrationId(row["id"]),
        event=EventId(row["event_id"]),
        registrant=Registrant(
            name=row["name"],
            email=EmailAddress(row["email"]),
            locale=Locale(row["locale"]),
            organisation=row["organisation_id"] and OrganisationId(row["organisation_id"]),
        ),
        status=RegistrationStatus(row["status"]),
        number=row["number"],
        registered_at=row["registered_at"],
        changed_at=row["changed_at"],
        version=row["version"],
    )


def _costs_json(costs: tuple[Cost, ...]) -> str:
    return _json([{"line_code": cost.line_code, **_money_json(cost.amount)} for cost in costs])


def _costs_of(stored: str) -> tuple[Cost, ...]:
    return tuple(Cost(cost["line_code"], _money_of(cost)) for cost in orjson.loads(stored))


def _refusal_json(refusal: Refusal) -> dict[str, Any]:
    return {
        "reason": refusal.reason,
        "line_code": refusal.line_code,
        "short_by": refusal.short_by and _money_json(refusal.short_by),
        "shortfalls": [{"line_code": short.line_code, **_money_json(short.short_by)} for short in refusal.shortfalls],
    }


def _refusal_of(stored: dict[str, Any]) -> Refusal:
    return Refusal(
        reason=Reason(stored["reason"]),
        line_code=stored["line_code"],
        short_by=stored["short_by"] and _money_of(stored["short_by"]),
        shortfalls=tuple(Shortfall(short["line_code"], _money_of(short)) for short in stored["shortfalls"]),
    )


def _money_json(money: Money) -> dict[str, str]:
    return {"amount": money.text, "currency": money.currency}


def _money_of(stored: dict[str, str]) -> Money:
    return Money(Decimal(stored["amount"]), stored["currency"])


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
