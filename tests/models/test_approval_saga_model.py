"""The approval saga of events and budget under every interleaving: their own domain, use cases and handlers, between them a modelled log.

Commands come at any time, messages of different keys overtake each other, are late, come twice or long after, deadlines pass whenever
they like. `KLASTER_MODEL_EXAMPLES=5000` looks at as many new examples (`make chaos`); without it the same few are looked at each time.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from klaster_budget.adapters.publishing import to_message as budget_message
from klaster_budget.application.declare_expenditure import DeclareExpenditure, declare_expenditure
from klaster_budget.consumers import build_consumers as budget_consumers
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.ids import EventId as BudgetEventId
from klaster_budget.testing import InMemoryWork as BudgetInMemory
from klaster_budget.testing import a_claim, a_document, a_grant
from klaster_events.adapters.publishing import event_message, registration_message
from klaster_events.application.approve_event import ApproveEvent, approve_event
from klaster_events.application.cancel_event import CancelEvent, cancel_event
from klaster_events.application.complete_event import CompleteEvent, complete_event
from klaster_events.application.draft_event import DraftEvent, draft_event
from klaster_events.application.publish_event import PublishEvent, publish_event
from klaster_events.application.register_participant import RegisterParticipant, register_participant
from klaster_events.application.revise_event import ReviseEvent, revise_event
from klaster_events.application.submit_event import SubmitEvent, submit_event
from klaster_events.application.withdraw_registration import WithdrawRegistration, withdraw_registration
from klaster_events.consumers import build_consumers as events_consumers
from klaster_events.domain.approval import Approval, Financing
from klaster_events.domain.attempt import Outcome
from klaster_events.domain.event import Event, EventStatus
from klaster_events.domain.ids import EventId, GrantId
from klaster_events.domain.registrant import RegistrationStatus
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Seats
from klaster_events.testing import InMemoryWork as EventsInMemory
from klaster_events.testing import a_cost, a_proposal, a_registrant
from klaster_shared.errors import Refused
from klaster_shared.ids import new_id
from klaster_shared.money import Money
from klaster_shared.testing.modelling import ModelledLog, done

LINES = ("travel", "venue")
PATIENCE = timedelta(minutes=5)
MOST_EVENTS = 4
LAWFUL = {
    EventStatus.DRAFT: {Financing.NONE, Financing.REFUSED},
    EventStatus.SUBMITTED: {Financing.NONE},
    EventStatus.APPROVED: {Financing.NONE, Financing.PENDING, Financing.SECURED},
    EventStatus.PUBLISHED: {Financing.NONE, Financing.SECURED},
    EventStatus.COMPLETED: {Financing.NONE, Financing.SECURED},
    EventStatus.CANCELLED: set(Financing),
}
ALIVE = {EventStatus.APPROVED, EventStatus.PUBLISHED, EventStatus.COMPLETED}

costs = st.sampled_from(
    [{}, {"travel": "60"}, {"travel": "100", "venue": "20"}, {"venue": "50"}, {"travel": "40"}, {"travel": "120"}, {"unheard of": "1"}]
)
which = st.integers(0, 11)
"""An index into whatever there is, taken modulo its length."""


def some_event_is[**P](*states: EventStatus) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A step that every event would refuse leads nowhere, and there are few steps."""
    allowed: Callable[[Callable[P, None]], Callable[P, None]] = precondition(lambda model: model.having(*states))
    return allowed


class ApprovalSaga(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.office = EventsInMemory()
        self.books = BudgetInMemory()
        self.grant = self.books.holding(a_grant(travel="100", venue="50"))
        heard = [*events_consumers(), *(each for each in budget_consumers(frozenset()) if each.name == "budget.events")]
        self.log = ModelledLog({each.name: self.books if each.name == "budget.events" else self.office for each in heard}, heard)
        self.events: list[EventId] = []
        self.told = {"event": 0, "registration": 0, "budget": 0}
        self.draft({}, 1, known=True)
        self.submit_and_approve(0)
        self.publish(0)
        for asked in ({"travel": "60"}, {"travel": "100", "venue": "20"}):
            self.draft(asked, 1, known=True)

    # What people do

    @precondition(lambda self: len(self.events) < MOST_EVENTS)
    @rule(asked=costs, capacity=st.integers(1, 2), known=st.sampled_from([True, True, True, False]))
    def draft(self, asked: dict[str, str], capacity: int, known: bool) -> None:  # noqa: FBT001 - drawn: whether budget knows the grant
        grant = GrantId(self.grant if known else new_id())
        proposal = a_proposal(*(a_cost(code, amount) for code, amount in asked.items()), capacity=capacity)
        self.events.append(done(draft_event(DraftEvent(proposal=replace(proposal, grant=grant)), self.office)).id)
        self._publish()

    @some_event_is(EventStatus.DRAFT)
    @rule(event=which, asked=costs, capacity=st.integers(1, 3))
    def revise(self, event: int, asked: dict[str, str], capacity: int) -> None:
        new = tuple(a_cost(code, amount) for code, amount in asked.items())
        self._command(
            revise_event(
                ReviseEvent(event=self._event(event, EventStatus.DRAFT), change=lambda old: replace(old, costs=new, capacity=capacity)), self.office
            )
        )

    @some_event_is(EventStatus.DRAFT)
    @rule(event=which)
    def submit(self, event: int) -> None:
        self._command(submit_event(SubmitEvent(event=self._event(event, EventStatus.DRAFT)), self.office))

    @some_event_is(EventStatus.SUBMITTED)
    @rule(event=which)
    def approve(self, event: int) -> None:
        self._command(approve_event(ApproveEvent(event=self._event(event, EventStatus.SUBMITTED), answer_within=PATIENCE), self.office))

    @some_event_is(EventStatus.DRAFT)
    @rule(event=which)
    def submit_and_approve(self, event: int) -> None:
        """No step of its own: half of all random walks would never get as far."""
        chosen = self._event(event, EventStatus.DRAFT)
        self._command(submit_event(SubmitEvent(event=chosen), self.office))
        self._command(approve_event(ApproveEvent(event=chosen, answer_within=PATIENCE), self.office))

    @some_event_is(EventStatus.APPROVED)
    @rule(event=which)
    def publish(self, event: int) -> None:
        self._command(publish_event(PublishEvent(event=self._event(event, EventStatus.APPROVED)), self.office))

    @rule(event=which)
    def cancel(self, event: int) -> None:
        self._command(cancel_event(CancelEvent(event=self._event(event), reason="No speaker."), self.office))

    @some_event_is(EventStatus.PUBLISHED)
    @rule(event=which)
    def complete(self, event: int) -> None:
        self._command(complete_event(CompleteEvent(event=self._event(event, EventStatus.PUBLISHED)), self.office))

    @rule(number=st.integers(1, 6), line=st.sampled_from(LINES), event=st.none() | which, amount=st.sampled_from(["10", "45", "100"]))
    def book(self, number: int, line: str, event: int | None, amount: str) -> None:
        of = None if event is None else BudgetEventId(self._event(event))
        claim = a_claim(amount, line=line, event=of, of=a_document(str(number)))
        self._command(declare_expenditure(DeclareExpenditure(grant=self.grant, claim=claim, source="http"), self.books))

    # What the log and the clock do

    @precondition(lambda self: self.log.unread())
    @rule(place=which)
    def deliver(self, place: int) -> None:
        unread = self.log.unread()
        self.log.deliver(unread[place % len(unread)])
        self._publish()

    @precondition(lambda self: self.log.heard)
    @rule(record=st.integers(0, 1000), forgotten=st.booleans())
    def deliver_again(self, record: int, forgotten: bool) -> None:  # noqa: FBT001 - drawn
        read = self.log.read()
        place, index = read[record % len(read)]
        self.log.deliver_again(place, index, forgotten=forgotten)
        self._publish()

    @precondition(lambda self: self.office.approvals.scheduled)
    @rule(deadline=which)
    def a_deadline_passes(self, deadline: int) -> None:
        scheduled = self.office.approvals.scheduled
        self.log.append(scheduled.pop([*scheduled][deadline % len(scheduled)]), at=self.office.now)

    @rule(last_first=st.booleans())
    def everything_is_heard(self, last_first: bool) -> None:  # noqa: FBT001 - drawn
        self.log.drain(self._publish, last_first=last_first)
        self._once_everything_is_heard()

    def teardown(self) -> None:
        self.everything_is_heard(last_first=False)

    # What holds at any moment

    @invariant()
    def no_line_bears_more_than_was_planned(self) -> None:
        for code, balance in self.books.stored.balances[self.grant].items():
            still_open = Money.sum((kept.open_on(code, "PLN") for kept in self._commitments()), "PLN")
            assert still_open + balance.declared <= balance.planned
            assert balance.committed == still_open

    @invariant()
    def the_financing_fits_the_state_of_the_event(self) -> None:
        for event in self._events():
            assert self.office.approvals.rows[event.id].financing in LAWFUL[event.status]

    @invariant()
    def an_event_with_costs_is_published_with_its_money(self) -> None:
        for event in self._events():
            if event.status in {EventStatus.PUBLISHED, EventStatus.COMPLETED} and event.proposal.needs_money:
                assert self.office.approvals.rows[event.id].financing is Financing.SECURED

    # What holds once everybody has heard everything

    def _once_everything_is_heard(self) -> None:
        for event in self._events():
            self._nothing_waits(event)
            self._money_is_where_an_event_is(event)
            self._history_agrees(event)

    def _nothing_waits(self, event: Event) -> None:
        assert self.office.approvals.rows[event.id].financing is not Financing.PENDING
        assert not self.office.approvals.scheduled

    def _money_is_where_an_event_is(self, event: Event) -> None:
        approval = self.office.approvals.rows[event.id]
        current = approval.consent.id if approval.consent else None
        alive = event.status in ALIVE
        of_event = self._answers(event)
        assert [kept for key, kept in of_event.items() if kept.is_open and not (alive and key == current)] == []
        if alive and event.proposal.needs_money and current:
            assert approval.financing is Financing.SECURED
            assert of_event[current].refusal is None
            assert not is_released(of_event[current])
            assert of_event[current].confirmed or event.status is EventStatus.APPROVED or not of_event[current].is_open
        if event.status is EventStatus.CANCELLED and current in of_event:
            released = is_released(of_event[current])
            assert approval.financing is not Financing.RELEASED or released
            assert approval.financing is not Financing.SECURED or not (released or of_event[current].refusal)

    def _history_agrees(self, event: Event) -> None:
        answers = self._answers(event)
        for attempt in self.office.attempts.rows.values():
            if attempt.event != event.id:
                continue
            answer = answers.get(attempt.id)
            assert attempt.outcome is not Outcome.WAITING
            assert (attempt.outcome is Outcome.NOT_NEEDED) is (answer is None)
            assert (attempt.release is not None) is (answer is not None and is_released(answer))
            if attempt.outcome in {Outcome.SECURED, Outcome.REFUSED} and answer:
                assert (answer.refusal is None) is (attempt.outcome is Outcome.SECURED)

    # How

    def having(self, *states: EventStatus) -> list[EventId]:
        return [each.id for each in self._events() if each.status in states]

    def _event(self, index: int, *states: EventStatus) -> EventId:
        """One in any of these states, if there is one."""
        candidates = self.having(*states) or self.events
        return candidates[index % len(candidates)]

    def _events(self) -> list[Event]:
        return [self.office.events.kept.rows[each] for each in self.events]

    def _answers(self, event: Event) -> dict[UUID, Commitment]:
        return {kept.approval: kept for kept in self._commitments() if UUID(int=kept.event.int) == event.id}

    def _commitments(self) -> list[Commitment]:
        return [*self.books.stored.commitments.values()]

    def _command[R](self, command: Awaitable[R]) -> R | None:
        """A refused one has changed nothing; the invariants would see it."""
        try:
            return done(command)
        except Refused:
            return None
        finally:
            self._publish()

    def _publish(self) -> None:
        """What was committed is in the log; when it is heard is another matter."""
        work = self.office
        recorded: dict[str, tuple[list[Any], Callable[[Any], Any]]] = {
            "event": (work.events.kept.facts, event_message),
            "registration": (work.registrations.kept.facts, registration_message),
            "budget": (self.books.facts, budget_message),
        }
        for who, (facts, to_message) in recorded.items():
            for fact in facts[self.told[who] :]:
                self.log.append(to_message(fact), at=fact.at)
            self.told[who] = len(facts)


class WithSeats(ApprovalSaga):
    """The same, and people come and go."""

    @some_event_is(EventStatus.PUBLISHED)
    @rule(event=which, people=st.lists(st.integers(0, 9), min_size=1, max_size=4))
    def register(self, event: int, people: list[int]) -> None:
        chosen = self._event(event, EventStatus.PUBLISHED)
        for person in people:
            command = RegisterParticipant(event=chosen, registrant=a_registrant(f"person-{person}@example.org"))
            self._command(register_participant(command, self.office))

    @precondition(lambda self: self.registrations)
    @rule(registration=which)
    def withdraw(self, registration: int) -> None:
        chosen = self.registrations[registration % len(self.registrations)]
        self._command(withdraw_registration(WithdrawRegistration(registration=chosen.id), self.office))

    @invariant()
    def seats_are_never_oversold_and_the_line_is_kept(self) -> None:
        for seats in self.office.seats.rows.values():
            live = done(self.office.registrations.live(seats.event))
            confirmed = [each.number for each in live if each.status is RegistrationStatus.CONFIRMED]
            waiting = [each.number for each in live if each.status is RegistrationStatus.WAITLISTED]
            assert (len(confirmed), len(waiting)) == (seats.confirmed, seats.waiting)
            assert len(confirmed) <= seats.capacity
            assert not waiting or (len(confirmed) == seats.capacity and max(confirmed) < min(waiting))

    @property
    def registrations(self) -> list[Registration]:
        """Live ones, those of a completed event among them."""
        return [each for each in self.office.registrations.kept.rows.values() if each.is_live]


def is_released(commitment: Commitment) -> bool:
    return any(line.released.is_positive for line in commitment.lines)


EXAMPLES = os.environ.get("KLASTER_MODEL_EXAMPLES")


def searched(examples: int) -> settings:
    """The same examples each time, unless the environment asks for a number of new ones."""
    return settings(
        max_examples=int(EXAMPLES or examples),
        stateful_step_count=60,
        derandomize=EXAMPLES is None,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[*HealthCheck],
    )


@pytest.mark.timeout(0 if EXAMPLES else 120)
def test_money_is_where_a_live_event_is_whatever_is_heard_when() -> None:
    run_state_machine_as_test(ApprovalSaga, settings=searched(60))


@pytest.mark.timeout(0 if EXAMPLES else 120)
def test_nobody_is_seated_out_of_turn_whatever_becomes_of_the_money() -> None:
    run_state_machine_as_test(WithSeats, settings=searched(40))


type Mutation = Callable[[pytest.MonkeyPatch], None]

MUTATIONS: dict[str, tuple[type[ApprovalSaga], Mutation]] = {
    "late answers are applied": (ApprovalSaga, lambda patch: patch.setattr(Approval, "ignores_decision", lambda *_: None)),
    "an answered approval becomes overdue": (ApprovalSaga, lambda patch: patch.setattr(Approval, "ignores_deadline", lambda *_: None)),
    "any money given back counts": (ApprovalSaga, lambda patch: patch.setattr(Approval, "counts_release", lambda *_: True)),
    "publication does not wait": (ApprovalSaga, lambda patch: patch.setattr(Approval, "allows_publication", property(lambda _: True))),
    "nothing is given back": (ApprovalSaga, lambda patch: patch.setattr(Commitment, "release", lambda *_, **__: None)),
    "a seat given up goes to nobody": (WithSeats, lambda patch: patch.setattr(Seats, "owes_a_seat", property(lambda _: False))),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_model_finds_a_rule_that_is_broken(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, break_the_rule = MUTATIONS[mutation]
    break_the_rule(monkeypatch)
    with pytest.raises((AssertionError, Refused)):
        run_state_machine_as_test(model, settings=settings(searched(400), phases=[Phase.generate], report_multiple_bugs=False))
