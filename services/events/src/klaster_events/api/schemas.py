"""What clients write and read. Forms are checked here, rules in the domain; neither the aggregates nor the messages show through."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from klaster_events.application.cancel_event import CancelEvent
from klaster_events.application.draft_event import DraftEvent
from klaster_events.application.queries import EventInFull, RegistrationInLine
from klaster_events.application.register_participant import RegisterParticipant
from klaster_events.application.revise_event import ReviseEvent
from klaster_events.domain.approval import Consent, Financing
from klaster_events.domain.attempt import Attempt, Outcome, Release
from klaster_events.domain.event import EventStatus
from klaster_events.domain.ids import EventId, GrantId, OrganisationId
from klaster_events.domain.proposal import MOST_COSTS, MOST_SEATS, Cost, EventKind, Proposal, Title
from klaster_events.domain.refusals import Reason, Refusal
from klaster_events.domain.registrant import Locale, Registrant, RegistrationStatus, email_address
from klaster_events.domain.schedule import Schedule
from klaster_shared.countries import country
from klaster_shared.web.fields import (
    Body,
    Code,
    Email,
    Flag,
    InstantIn,
    InstantOut,
    Line,
    MoneyOut,
    Paragraph,
    PositiveMoneyIn,
    Resource,
    Text,
    Whole,
)

CountryCode = Annotated[str, Text(2), Field(description="ISO 3166-1 alpha-2.", examples=["PL"])]
ZoneName = Annotated[str, Text(64), Field(description="A zone of the IANA database.", examples=["Europe/Warsaw"])]
Seats = Annotated[int, Whole(1, MOST_SEATS)]


class TitleIn(Body):
    pl: Line
    en: Line


class CostIn(Body):
    line_code: Code
    amount: PositiveMoneyIn


Costs = Annotated[list[CostIn], Field(max_length=MOST_COSTS, description="A line at most once; needs `grant_id`.")]


class EventIn(Body):
    title: TitleIn
    kind: EventKind
    public: Flag
    host_organisation_id: UUID
    place: Line
    country: CountryCode
    starts_at: InstantIn
    ends_at: InstantIn
    time_zone: ZoneName
    capacity: Seats
    grant_id: UUID | None = None
    costs: Costs = Field(default=[])

    def command(self) -> DraftEvent:
        return DraftEvent(proposal=self.proposal())

    def proposal(self) -> Proposal:
        """Raises Invalid for a zone or a country that does not exist, and for costs that no grant bears."""
        return Proposal(
            title=Title(pl=self.title.pl, en=self.title.en),
            kind=self.kind,
            public=self.public,
            host=OrganisationId(self.host_organisation_id),
            place=self.place,
            country=country(self.country),
            schedule=Schedule(starts_at=self.starts_at, ends_at=self.ends_at, time_zone=self.time_zone),
            capacity=self.capacity,
            grant=GrantId(self.grant_id) if self.grant_id else None,
            costs=tuple(Cost(cost.line_code, cost.amount) for cost in self.costs),
        )


def _absent() -> Any:
    """The default of a field whose absence means "as it is" and whose null is refused."""
    return None


class EventPatch(Body):
    """What is given replaces what is there, `title` and `costs` as a whole. Only `grant_id` may be null."""

    title: TitleIn = Field(default_factory=_absent)
    kind: EventKind = Field(default_factory=_absent)
    public: Flag = Field(default_factory=_absent)
    host_organisation_id: UUID = Field(default_factory=_absent)
    place: Line = Field(default_factory=_absent)
    country: CountryCode = Field(default_factory=_absent)
    starts_at: InstantIn = Field(default_factory=_absent)
    ends_at: InstantIn = Field(default_factory=_absent)
    time_zone: ZoneName = Field(default_factory=_absent)
    capacity: Seats = Field(default_factory=_absent)
    grant_id: UUID | None = None
    costs: Costs = Field(default_factory=_absent)

    def command(self, event: EventId, expected: int | None) -> ReviseEvent:
        return ReviseEvent(event=event, change=self.change, expected=expected)

    def change(self, present: Proposal) -> Proposal:
        """Raises Invalid when the result would be no possible proposal."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return EventIn.model_construct(**_fields_of(present) | given).proposal()


def _fields_of(proposal: Proposal) -> dict[str, Any]:
    return {
        "title": proposal.title,
        "kind": proposal.kind,
        "public": proposal.public,
        "host_organisation_id": proposal.host,
        "place": proposal.place,
        "country": proposal.country,
        "starts_at": proposal.schedule.starts_at,
        "ends_at": proposal.schedule.ends_at,
        "time_zone": proposal.schedule.time_zone,
        "capacity": proposal.capacity,
        "grant_id": proposal.grant,
        "costs": proposal.costs,
    }


class CancellationIn(Body):
    reason: Annotated[Paragraph, Field(description="Told to everybody who registered.")]

    def command(self, event: EventId, expected: int | None) -> CancelEvent:
        return CancelEvent(event=event, reason=self.reason, expected=expected)


class TitleOut(Resource):
    pl: str
    en: str


class CostOut(Resource):
    line_code: str
    amount: MoneyOut


class ShortfallOut(Resource):
    line_code: str
    short_by: MoneyOut


class RefusalOut(Resource):
    """`line_code` and `short_by` are those of the first short line."""

    reason: Reason
    line_code: str | None
    short_by: MoneyOut | None
    shortfalls: list[ShortfallOut]

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        return cls(
            reason=refusal.reason,
            line_code=refusal.line_code,
            short_by=refusal.short_by,
            shortfalls=[ShortfallOut(line_code=each.line_code, short_by=each.short_by) for each in refusal.shortfalls],
        )


class ApprovalOut(Resource):
    """The last attempt. `deadline` is null once nobody waits for budget's answer."""

    id: UUID
    approved_by: str
    approved_at: InstantOut
    deadline: InstantOut | None

    @classmethod
    def of(cls, consent: Consent) -> Self:
        return cls(id=consent.id, approved_by=consent.by, approved_at=consent.at, deadline=consent.deadline)


class ReleaseOut(Resource):
    """What budget gave back to its lines, and when this service heard of it."""

    at: InstantOut
    lines: list[CostOut]

    @classmethod
    def of(cls, release: Release) -> Self:
        return cls(at=release.at, lines=[CostOut(line_code=line.line_code, amount=line.amount) for line in release.lines])


class AttemptOut(Resource):
    """An approval and what became of it. `deadline` as it was set; `answered_at`: when an answer of budget counted; `release`: what had
    been reserved for it, be it too late, was given back. What was written before attempts were kept may lack times.
    """

    id: UUID
    approved_by: str
    approved_at: InstantOut
    deadline: InstantOut | None
    outcome: Outcome
    refusal: RefusalOut | None
    closed_at: InstantOut | None
    answered_at: InstantOut | None
    release: ReleaseOut | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls(
            id=attempt.id,
            approved_by=attempt.by,
            approved_at=attempt.at,
            deadline=attempt.deadline,
            outcome=attempt.outcome,
            refusal=RefusalOut.of(attempt.refusal) if attempt.refusal else None,
            closed_at=attempt.closed_at,
            answered_at=attempt.answered_at,
            release=ReleaseOut.of(attempt.release) if attempt.release else None,
        )


class EventOut(Resource):
    """`confirmed` and `waiting` count live registrations. Neither they nor `financing` and `refusal` are covered by the ETag."""

    id: UUID
    title: TitleOut
    kind: EventKind
    public: bool
    host_organisation_id: UUID
    place: str
    country: str
    starts_at: InstantOut
    ends_at: InstantOut
    time_zone: str
    capacity: int
    grant_id: UUID | None
    costs: list[CostOut]
    status: EventStatus
    cancellation_reason: str | None
    financing: Financing
    refusal: RefusalOut | None
    approval: ApprovalOut | None
    confirmed: int
    waiting: int
    drafted_by: str
    drafted_at: InstantOut
    changed_at: InstantOut

    @classmethod
    def of(cls, found: EventInFull) -> Self:
        event, approval, seats = found.event, found.approval, found.seats
        proposal, schedule = event.proposal, event.proposal.schedule
        return cls(
            id=event.id,
            title=TitleOut(pl=proposal.title.pl, en=proposal.title.en),
            kind=proposal.kind,
            public=proposal.public,
            host_organisation_id=proposal.host,
            place=proposal.place,
            country=proposal.country,
            starts_at=schedule.starts_at,
            ends_at=schedule.ends_at,
            time_zone=schedule.time_zone,
            capacity=proposal.capacity,
            grant_id=proposal.grant,
            costs=[CostOut(line_code=cost.line_code, amount=cost.amount) for cost in proposal.costs],
            status=event.status,
            cancellation_reason=event.cancellation_reason,
            financing=approval.financing,
            refusal=approval.refusal and RefusalOut.of(approval.refusal),
            approval=approval.consent and ApprovalOut.of(approval.consent),
            confirmed=seats.confirmed,
            waiting=seats.waiting,
            drafted_by=event.drafted_by,
            drafted_at=event.drafted_at,
            changed_at=event.changed_at,
        )


class RegistrationIn(Body):
    name: Line
    email: Email
    locale: Locale
    organisation_id: UUID | None = None

    def command(self, event: EventId) -> RegisterParticipant:
        return RegisterParticipant(
            event=event,
            registrant=Registrant(
                name=self.name,
                email=email_address(self.email),
                locale=self.locale,
                organisation=OrganisationId(self.organisation_id) if self.organisation_id else None,
            ),
        )


class RegistrationOut(Resource):
    """`position` is 1 for the head of the waiting list, null for whoever does not wait."""

    id: UUID
    event_id: UUID
    name: str
    email: str
    locale: Locale
    organisation_id: UUID | None
    status: RegistrationStatus
    position: int | None
    registered_at: InstantOut
    changed_at: InstantOut

    @classmethod
    def of(cls, found: RegistrationInLine) -> Self:
        registration, registrant = found.registration, found.registration.registrant
        return cls(
            id=registration.id,
            event_id=registration.event,
            name=registrant.name,
            email=registrant.email,
            locale=registrant.locale,
            organisation_id=registrant.organisation,
            status=registration.status,
            position=found.position,
            registered_at=registration.registered_at,
            changed_at=registration.changed_at,
        )
