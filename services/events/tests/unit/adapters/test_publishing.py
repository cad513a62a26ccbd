"""Every fact has its message, with the words of the wire contract."""

from dataclasses import replace

import pytest

from klaster_events.adapters.publishing import event_message, registration_message
from klaster_events.domain.event import Event
from klaster_events.domain.ids import RegistrationId
from klaster_events.domain.refusals import OVERDUE, Refusal, Shortfall
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Place
from klaster_events.testing import NOON, SHORT, a_cost, a_registrant, an_approval_id, an_event
from klaster_shared.contracts import events as wire
from klaster_shared.contracts.bodies import Message
from klaster_shared.ids import new_id


def last_message(event: Event) -> Message:
    return event_message(event.facts[-1])


def test_a_draft_is_announced_with_its_whole_description() -> None:
    event = an_event(a_cost("2.1", "1200.00")).event

    message = last_message(event)

    assert isinstance(message, wire.EventDrafted)
    assert message.model_dump(mode="json") | {"costs": None} == {
        "event_id": str(event.id),
        "title": {"pl": "Warsztat ekspercki", "en": "Expert workshop"},
        "kind": "workshop",
        "public": True,
        "starts_at": "2011-09-12T07:00:00Z",
        "ends_at": "2011-09-12T15:00:00Z",
        "time_zone": "Europe/Warsaw",
        "place": "Kraków, ul. Bobrzyńskiego 14",
        "country": "PL",
        "host_organisation_id": str(event.proposal.host),
        "capacity": 20,
        "grant_id": str(event.proposal.grant),
        "costs": None,
    }
    assert message.model_dump(mode="json")["costs"] == [{"line_code": "2.1", "amount": {"amount": "1200.00", "currency": "PLN"}}]


def test_a_revision_is_announced_with_the_new_description() -> None:
    event = an_event().build()
    event.revise(replace(event.proposal, place="Évry"), at=NOON)

    message = last_message(event)

    assert isinstance(message, wire.EventRevised)
    assert message.place == "Évry"


def test_an_approval_asks_for_the_costs_of_the_grant() -> None:
    event, attempt = an_event(a_cost()).submitted().event, an_approval_id()
    event.approve(attempt, deadline=NOON, at=NOON)

    message = last_message(event)

    assert isinstance(message, wire.EventApproved)
    assert (message.approval_id, message.deadline, message.grant_id) == (attempt, NOON, event.proposal.grant)
    assert [cost.line_code for cost in message.costs] == ["2.1"]


@pytest.mark.parametrize(("refusal", "reason"), [(SHORT, "refused"), (OVERDUE, "overdue")])
def test_a_return_to_draft_says_whether_it_was_refused_or_overdue(refusal: Refusal, reason: str) -> None:
    event, attempt = an_event(a_cost()).approved().event, an_approval_id()
    event.return_to_draft(attempt, refusal, at=NOON)

    message = last_message(event)

    assert isinstance(message, wire.EventReturnedToDraft)
    assert (message.approval_id, message.reason) == (attempt, reason)
    assert message.refusal is not None
    assert message.refusal.reason == refusal.reason


def test_a_refusal_names_every_short_line() -> None:
    event = an_event(a_cost()).approved().event
    assert SHORT.short_by is not None
    event.return_to_draft(an_approval_id(), replace(SHORT, shortfalls=(Shortfall("2.1", SHORT.short_by),)), at=NOON)

    refusal = last_message(event).model_dump(mode="json")["refusal"]

    hundred = {"amount": "100.00", "currency": "PLN"}
    assert refusal == {
        "reason": "insufficient",
        "line_code": "2.1",
        "short_by": hundred,
        "shortfalls": [{"line_code": "2.1", "short_by": hundred}],
    }


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (an_event().submitted().event, wire.EventSubmitted),
        (an_event().published().event, wire.EventPublished),
        (an_event().completed().event, wire.EventCompleted),
    ],
)
def test_a_milestone_is_announced_with_title_and_time(event: Event, message: type[Message]) -> None:
    announced = last_message(event)

    assert type(announced) is message
    assert announced.model_dump(mode="json")["starts_at"] == "2011-09-12T07:00:00Z"


def test_a_cancellation_is_announced_with_its_reason() -> None:
    message = last_message(an_event().cancelled().event)

    assert isinstance(message, wire.EventCancelled)
    assert message.reason == "The speaker is ill."


def registered(place: Place) -> Registration:
    event = an_event().published().build()
    return Registration.made(RegistrationId(new_id()), event.id, a_registrant(), place, event.entry, at=NOON)


def test_a_confirmation_carries_what_the_person_must_know_of_the_event() -> None:
    registration = registered(Place(1, None))

    body = registration_message(registration.facts[-1]).model_dump(mode="json")

    assert body == {
        "registration_id": str(registration.id),
        "event_id": str(registration.event),
        "event": {
            "title": {"pl": "Warsztat ekspercki", "en": "Expert workshop"},
            "starts_at": "2011-09-12T07:00:00Z",
            "ends_at": "2011-09-12T15:00:00Z",
            "time_zone": "Europe/Warsaw",
            "place": "Kraków, ul. Bobrzyńskiego 14",
            "sequence": 4,
        },
        "name": "ZIN member 01",
        "email": "zin-member-01@example.org",
        "locale": "pl",
        "organisation_id": None,
        "from_waitlist": False,
    }


def test_joining_the_line_is_announced_with_the_position() -> None:
    message = registration_message(registered(Place(9, 4)).facts[-1])

    assert isinstance(message, wire.WaitlistJoined)
    assert message.position == 4


def test_a_withdrawal_is_announced() -> None:
    registration, entry = registered(Place(1, None)), an_event().build().entry
    registration.withdraw(entry, at=NOON)

    assert isinstance(registration_message(registration.facts[-1]), wire.RegistrationWithdrawn)


def test_a_cancelled_registration_is_announced_with_what_it_was_and_why() -> None:
    registration, entry = registered(Place(9, 4)), an_event().build().entry
    registration.cancel(entry, "No speaker.", at=NOON)

    message = registration_message(registration.facts[-1])

    assert isinstance(message, wire.RegistrationCancelled)
    assert (message.was, message.reason) == ("waitlisted", "No speaker.")
