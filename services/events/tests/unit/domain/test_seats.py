"""The seat rule as a state machine: whatever people do, nobody is oversold, nobody is overtaken."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from klaster_events.domain.ids import EventId
from klaster_events.domain.registrant import RegistrationStatus
from klaster_events.domain.seats import Seats
from klaster_shared.ids import new_id


class SeatsOfAnEvent(RuleBasedStateMachine):
    """The model is two plain lists of numbers, in the order of arrival: who sits, who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.seats = Seats(event=EventId(new_id()), capacity=1)
        self.sitting: list[int] = []
        self.waiting: list[int] = []
        self.promoted: list[int] = []

    @initialize(capacity=st.integers(1, 4))
    def open(self, capacity: int) -> None:
        self.seats.resize(capacity)

    @rule()
    def come(self) -> None:
        place = self.seats.take()
        if place.position is None:
            assert not self.waiting, "a newcomer was seated past the line"
            self.sitting.append(place.number)
        else:
            self.waiting.append(place.number)
            assert place.position == len(self.waiting)

    @precondition(lambda self: self.sitting)
    @rule(choice=st.data())
    def give_up_a_seat(self, choice: st.DataObject) -> None:
        self.sitting.remove(choice.draw(st.sampled_from(self.sitting)))
        self.seats.leave(RegistrationStatus.CONFIRMED)
        self.pass_on()

    @precondition(lambda self: self.waiting)
    @rule(choice=st.data())
    def leave_the_line(self, choice: st.DataObject) -> None:
        self.waiting.remove(choice.draw(st.sampled_from(self.waiting)))
        self.seats.leave(RegistrationStatus.WAITLISTED)
        self.pass_on()

    @rule()
    def cancel_the_event(self) -> None:
        self.sitting.clear()
        self.waiting.clear()
        self.seats.clear()

    def pass_on(self) -> None:
        if self.seats.owes_a_seat:
            head = self.waiting.pop(0)
            self.seats.promote()
            self.sitting.append(head)
            self.promoted.append(head)

    @invariant()
    def never_oversold(self) -> None:
        assert len(self.sitting) == self.seats.confirmed <= self.seats.capacity

    @invariant()
    def nobody_waits_beside_a_free_seat(self) -> None:
        assert len(self.waiting) == self.seats.waiting
        assert not self.seats.owes_a_seat

    @invariant()
    def never_overtaken(self) -> None:
        assert self.promoted == sorted(self.promoted)
        assert self.waiting == sorted(self.waiting)


TestSeatsOfAnEvent = SeatsOfAnEvent.TestCase
