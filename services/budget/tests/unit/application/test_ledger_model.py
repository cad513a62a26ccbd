"""Any order of approvals, publications, cancellations, lapses and invoices, each as often as it likes: the sums stay exact."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from klaster_budget.application.confirm_commitments import ConfirmCommitments, confirm_commitments
from klaster_budget.application.declare_expenditure import DeclareExpenditure, declare_expenditure
from klaster_budget.application.release_commitments import ReleaseCommitments, release_commitments
from klaster_budget.application.reserve_commitment import reserve_commitment
from klaster_budget.domain.errors import DocumentAlreadyDeclared, LineExceeded
from klaster_budget.domain.facts import (
    CommitmentStep,
    CommitmentWasConfirmed,
    CommitmentWasConsumed,
    CommitmentWasRefused,
    CommitmentWasReleased,
    CommitmentWasReserved,
)
from klaster_budget.domain.ids import ApprovalId, EventId
from klaster_budget.domain.requests import LineAmount
from klaster_budget.testing import InMemoryWork, a_claim, a_document, a_grant, a_request, pln
from klaster_shared.ids import new_id
from klaster_shared.money import Money
from klaster_shared.testing.modelling import done

LINES = ("travel", "venue", "food")
EVENTS = [EventId(new_id()) for _ in range(3)]
APPROVALS = [ApprovalId(new_id()) for _ in range(2)]

amounts = st.integers(min_value=1, max_value=6000).map(lambda cents: pln(f"{cents // 100}.{cents % 100:02}"))
events = st.sampled_from(EVENTS)
approvals = st.sampled_from(APPROVALS)
lines = st.sampled_from(LINES)


class LedgerModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.work = InMemoryWork()
        self.grant = self.work.holding(a_grant(travel="100", venue="30.50", food="0"))

    @rule(event=events, approval=approvals, asked=st.dictionaries(lines, amounts, min_size=1))
    def approve(self, event: EventId, approval: ApprovalId, asked: dict[str, Money]) -> None:
        request = a_request(
            *(LineAmount(line_code=code, amount=amount) for code, amount in asked.items()), event=event, approval=approval, grant=self.grant
        )
        done(reserve_commitment(request, self.work))

    @rule(event=events)
    def publish(self, event: EventId) -> None:
        done(confirm_commitments(ConfirmCommitments(event=event), self.work))

    @rule(event=events, approval=st.none() | approvals)
    def cancel_or_lapse(self, event: EventId, approval: ApprovalId | None) -> None:
        done(release_commitments(ReleaseCommitments(event=event, approval=approval), self.work))

    @rule(number=st.integers(1, 6), line=lines, event=st.none() | events, amount=amounts)
    def book(self, number: int, line: str, event: EventId | None, amount: Money) -> None:
        before = self.work.balance(line)
        claim = a_claim(amount, line=line, event=event, of=a_document(str(number)))
        try:
            done(declare_expenditure(DeclareExpenditure(grant=self.grant, claim=claim, source="http"), self.work))
        except (DocumentAlreadyDeclared, LineExceeded):
            assert self.work.balance(line) == before

    @invariant()
    def no_line_bears_more_than_was_planned(self) -> None:
        for balance in self.work.stored.balances[self.grant].values():
            assert balance.committed + balance.declared <= balance.planned

    @invariant()
    def what_is_committed_is_what_is_open(self) -> None:
        for code, balance in self.work.stored.balances[self.grant].items():
            open_on_line = (commitment.open_on(code, "PLN") for commitment in self.work.stored.commitments.values())
            assert balance.committed == Money.sum(open_on_line, "PLN")

    @invariant()
    def what_is_declared_is_what_the_documents_say(self) -> None:
        for code, balance in self.work.stored.balances[self.grant].items():
            documents = (spent.in_grant_currency for spent in self.work.stored.expenditures.values() if spent.line_code == code)
            assert balance.declared == Money.sum(documents, "PLN")

    @invariant()
    def what_was_consumed_is_what_expenditures_took_from_commitments(self) -> None:
        for code in LINES:
            consumed = (line.consumed for kept in self.work.stored.commitments.values() for line in kept.lines if line.code == code)
            taken = (spent.from_commitments for spent in self.work.stored.expenditures.values() if spent.line_code == code)
            assert Money.sum(consumed, "PLN") == Money.sum(taken, "PLN")

    @invariant()
    def the_facts_alone_tell_what_is_open(self) -> None:
        for commitment in self.work.stored.commitments.values():
            steps = [fact for fact in self.work.facts if isinstance(fact, CommitmentStep) and fact.commitment == commitment.id]
            told = {line.code: pln("0") for line in commitment.lines}
            for step in steps:
                for part in step.lines:
                    told[part.line_code] += part.amount if isinstance(step, CommitmentWasReserved) else pln("0")
                    told[part.line_code] -= part.amount if isinstance(step, (CommitmentWasConsumed, CommitmentWasReleased)) else pln("0")
                assert {line.line_code: line.amount for line in step.still_open} == told
            assert {line.code: line.open for line in commitment.lines} == told

    @invariant()
    def each_commitment_is_answered_once_confirmed_once_and_released_once(self) -> None:
        for commitment in self.work.stored.commitments.values():
            of_it = [fact for fact in self.work.facts if getattr(fact, "commitment", None) == commitment.id]
            assert commitment.version == len(of_it)
            assert [type(fact) in {CommitmentWasReserved, CommitmentWasRefused} for fact in of_it] == [True] + [False] * (len(of_it) - 1)
            for once in (CommitmentWasConfirmed, CommitmentWasReleased):
                assert sum(isinstance(fact, once) for fact in of_it) <= 1


TestLedgerModel = LedgerModel.TestCase
TestLedgerModel.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
