from collections.abc import Callable

import pytest

from klaster_events.domain.errors import RegistrationNotLive
from klaster_events.domain.facts import RegistrationWasCancelled, RegistrationWasConfirmed, RegistrationWasWithdrawn, WaitlistWasJoined
from klaster_events.domain.ids import RegistrationId
from klaster_events.domain.registrant import RegistrationStatus
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Place
from klaster_events.testing import NOON, a_registrant, an_event
from klaster_shared.ids import new_id

EVENT = an_event().published().build()
SEATED, WAITING = Place(7, None), Place(8, 3)


def registered(place: Place) -> Registration:
    return Registration.made(RegistrationId(new_id()), EVENT.id, a_registrant(), place, EVENT.entry, at=NOON)


def stored(place: Place) -> Registration:
    registration = registered(place)
    registration.stored()
    return registration


def test_whoever_gets_a_seat_is_confirmed_at_once() -> None:
    registration = registered(SEATED)

    (fact,) = registration.facts
    assert registration.status is RegistrationStatus.CONFIRMED
    assert isinstance(fact, RegistrationWasConfirmed)
    assert not fact.from_waitlist


def test_whoever_gets_none_joins_the_line_and_is_told_the_position() -> None:
    registration = registered(WAITING)

    (fact,) = registration.facts
    assert registration.status is RegistrationStatus.WAITLISTED
    assert isinstance(fact, WaitlistWasJoined)
    assert fact.position == 3


def test_the_head_of_the_line_is_confirmed_from_the_waiting_list() -> None:
    registration = stored(WAITING)

    registration.promote(EVENT.entry, at=NOON)

    (fact,) = registration.facts
    assert registration.status is RegistrationStatus.CONFIRMED
    assert isinstance(fact, RegistrationWasConfirmed)
    assert fact.from_waitlist


def test_a_seat_given_later_does_not_change_the_order_of_arrival() -> None:
    registration = stored(WAITING)

    registration.promote(EVENT.entry, at=NOON)

    assert registration.number == WAITING.number


@pytest.mark.parametrize("place", [SEATED, WAITING])
def test_withdrawing_says_what_is_given_up(place: Place) -> None:
    registration = stored(place)

    assert registration.withdraw(EVENT.entry, at=NOON) is place.status

    assert registration.status is RegistrationStatus.WITHDRAWN
    assert [type(fact) for fact in registration.facts] == [RegistrationWasWithdrawn]


@pytest.mark.parametrize("place", [SEATED, WAITING])
def test_cancelling_tells_what_the_person_had(place: Place) -> None:
    registration = stored(place)

    registration.cancel(EVENT.entry, "No speaker.", at=NOON)

    (fact,) = registration.facts
    assert registration.status is RegistrationStatus.CANCELLED
    assert isinstance(fact, RegistrationWasCancelled)
    assert (fact.was, fact.reason) == (place.status, "No speaker.")


ENDINGS: dict[RegistrationStatus, Callable[[Registration], object]] = {
    RegistrationStatus.WITHDRAWN: lambda registration: registration.withdraw(EVENT.entry, at=NOON),
    RegistrationStatus.CANCELLED: lambda registration: registration.cancel(EVENT.entry, "No speaker.", at=NOON),
}


@pytest.mark.parametrize("again", ENDINGS)
@pytest.mark.parametrize("ended", ENDINGS)
def test_what_has_ended_does_not_end_again(ended: RegistrationStatus, again: RegistrationStatus) -> None:
    registration = stored(SEATED)
    ENDINGS[ended](registration)

    with pytest.raises(RegistrationNotLive) as refusal:
        ENDINGS[again](registration)

    assert refusal.value.fields["state"] == ended


def test_the_text_of_a_registration_shows_nothing_personal() -> None:
    registration = registered(SEATED)

    assert registration.registrant.email not in repr(registration)
    assert registration.registrant.name not in repr(registration.facts)
