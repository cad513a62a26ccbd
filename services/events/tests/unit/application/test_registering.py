import pytest

from klaster_events.application.cancel_event import CancelEvent, cancel_event
from klaster_events.application.complete_event import CompleteEvent, complete_event
from klaster_events.application.register_participant import RegisterParticipant, register_participant
from klaster_events.application.withdraw_registration import WithdrawRegistration, withdraw_registration
from klaster_events.domain.approval import Approval
from klaster_events.domain.errors import AlreadyRegistered, EventNotOpen, RegistrationNotLive, WithdrawalClosed
from klaster_events.domain.facts import EventWasCancelled, RegistrationWasCancelled, RegistrationWasConfirmed, WaitlistWasJoined
from klaster_events.domain.ids import EventId, RegistrationId
from klaster_events.domain.registrant import RegistrationStatus
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Seats
from klaster_events.testing import EventBuilder, InMemoryWork, a_registrant, an_event
from klaster_shared.errors import NotFound
from klaster_shared.ids import new_id

CONFIRMED, WAITLISTED = RegistrationStatus.CONFIRMED, RegistrationStatus.WAITLISTED


class House:
    """One event in an in-memory work; people are named by a letter."""

    def __init__(self, event: EventBuilder) -> None:
        self.work = InMemoryWork()
        self.event = event.build()
        self.event_id: EventId = self.event.id
        self.work.events.kept.rows[self.event_id] = self.event
        capacity = self.event.proposal.capacity
        self.work.seats.rows[self.event_id] = Seats(event=self.event_id, capacity=capacity)
        self.work.approvals.rows[self.event_id] = Approval(event=self.event_id)
        self.ids: dict[str, RegistrationId] = {}

    async def register(self, who: str) -> Registration:
        command = RegisterParticipant(event=self.event_id, registrant=a_registrant(f"{who}@example.org"))
        made = await register_participant(command, self.work)
        self.ids[who] = made.registration.id
        return made.registration

    async def withdraw(self, who: str) -> Registration:
        return await withdraw_registration(WithdrawRegistration(registration=self.ids[who]), self.work)

    async def cancel(self) -> None:
        await cancel_event(CancelEvent(event=self.event_id, reason="No speaker."), self.work)

    def status(self, who: str) -> RegistrationStatus:
        return self.work.registrations.kept.rows[self.ids[who]].status

    @property
    def seats(self) -> Seats:
        return self.work.seats.rows[self.event_id]


async def a_full_house() -> House:
    """Two seats taken by a and b; c and d wait."""
    house = House(an_event(capacity=2).published())
    for who in "abcd":
        await house.register(who)
    return house


async def test_seats_are_given_in_the_order_of_arrival_and_the_rest_wait() -> None:
    house = await a_full_house()

    assert [house.status(who) for who in "abcd"] == [CONFIRMED, CONFIRMED, WAITLISTED, WAITLISTED]
    positions = [fact.position for fact in house.work.registrations.kept.facts if isinstance(fact, WaitlistWasJoined)]
    assert positions == [1, 2]


@pytest.mark.parametrize("closed", [an_event(), an_event().submitted(), an_event().approved(), an_event().completed(), an_event().cancelled()])
async def test_an_event_that_is_not_published_takes_nobody(closed: EventBuilder) -> None:
    house = House(closed)

    with pytest.raises(EventNotOpen) as refusal:
        await house.register("a")

    assert refusal.value.fields["state"] == house.event.status
    assert house.seats.last_number == 0


async def test_an_address_holds_one_live_registration() -> None:
    house = await a_full_house()

    with pytest.raises(AlreadyRegistered) as refusal:
        await house.register("c")

    assert "c@example.org" not in str(refusal.value)
    assert house.seats.waiting == 2


async def test_a_seat_given_up_goes_to_the_head_of_the_line() -> None:
    house = await a_full_house()

    await house.withdraw("a")

    assert [house.status(who) for who in "bcd"] == [CONFIRMED, CONFIRMED, WAITLISTED]
    fact = house.work.registrations.kept.facts[-1]
    assert isinstance(fact, RegistrationWasConfirmed)
    assert (fact.registration, fact.from_waitlist) == (house.ids["c"], True)
    assert (house.seats.confirmed, house.seats.waiting) == (2, 1)


async def test_leaving_the_line_gives_nobody_a_seat() -> None:
    house = await a_full_house()

    await house.withdraw("c")

    assert house.status("d") is WAITLISTED
    assert (house.seats.confirmed, house.seats.waiting) == (2, 1)


async def test_a_seat_for_which_nobody_waits_stays_free_for_the_next_to_come() -> None:
    house = House(an_event(capacity=1).published())
    await house.register("a")
    await house.withdraw("a")

    registration = await house.register("b")

    assert registration.status is CONFIRMED


async def test_whoever_withdrew_may_come_again_at_the_end() -> None:
    house = await a_full_house()
    await house.withdraw("a")

    registration = await house.register("a")

    assert registration.status is WAITLISTED
    assert registration.number == house.seats.last_number


async def test_nobody_withdraws_twice() -> None:
    house = await a_full_house()
    await house.withdraw("a")

    with pytest.raises(RegistrationNotLive):
        await house.withdraw("a")

    assert (house.seats.confirmed, house.seats.waiting) == (2, 1)


async def test_after_completion_nobody_withdraws() -> None:
    house = await a_full_house()
    await complete_event(CompleteEvent(event=house.event_id), house.work)

    with pytest.raises(WithdrawalClosed):
        await house.withdraw("a")

    assert house.status("c") is WAITLISTED


async def test_after_cancellation_nobody_withdraws() -> None:
    house = await a_full_house()
    await house.cancel()

    with pytest.raises(WithdrawalClosed):
        await house.withdraw("a")


async def test_cancelling_an_event_cancels_each_live_registration_as_itself() -> None:
    house = await a_full_house()
    await house.withdraw("d")

    await house.cancel()

    told = {fact.registration: fact.was for fact in house.work.registrations.kept.facts if isinstance(fact, RegistrationWasCancelled)}
    assert told == {house.ids["a"]: CONFIRMED, house.ids["b"]: CONFIRMED, house.ids["c"]: WAITLISTED}
    assert isinstance(house.work.events.kept.facts[-1], EventWasCancelled)
    assert (house.seats.confirmed, house.seats.waiting) == (0, 0)


async def test_a_cancellation_carries_the_version_of_the_cancelled_event() -> None:
    house = await a_full_house()

    await house.cancel()

    stored = house.work.events.kept.rows[house.event_id].version
    sequences = {fact.entry.sequence for fact in house.work.registrations.kept.facts if isinstance(fact, RegistrationWasCancelled)}
    assert sequences == {stored}


async def test_what_is_not_there_cannot_be_withdrawn() -> None:
    house = House(an_event().published())
    house.ids["a"] = RegistrationId(new_id())

    with pytest.raises(NotFound):
        await house.withdraw("a")
