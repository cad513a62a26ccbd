"""Budget's answers to an approval. Which of them still count is decided in the domain, under the lock of the approval."""

from klaster_events.application.ports import EventsWork
from klaster_events.application.refuse_financing import RefuseFinancing, refuse_financing
from klaster_events.application.release_financing import ReleaseFinancing, release_financing
from klaster_events.application.secure_financing import SecureFinancing, secure_financing
from klaster_events.domain.approval import Ignored
from klaster_events.domain.ids import ApprovalId, EventId
from klaster_events.domain.proposal import Cost
from klaster_events.domain.refusals import Reason, Refusal, Shortfall
from klaster_shared.consuming.handling import Skipped, handlers
from klaster_shared.contracts.bodies import MoneyValue
from klaster_shared.contracts.budget import CommitmentRefused, CommitmentReleased, CommitmentReserved
from klaster_shared.money import Money


async def secure_on_reservation(message: CommitmentReserved, work: EventsWork) -> Skipped | None:
    command = SecureFinancing(event=EventId(message.event_id), approval=ApprovalId(message.approval_id))
    return _skipped(await secure_financing(command, work))


async def return_on_refusal(message: CommitmentRefused, work: EventsWork) -> Skipped | None:
    command = RefuseFinancing(event=EventId(message.event_id), approval=ApprovalId(message.approval_id), refusal=_refusal(message))
    return _skipped(await refuse_financing(command, work))


async def note_release(message: CommitmentReleased, work: EventsWork) -> Skipped | None:
    released = tuple(Cost(line.line_code, _money(line.amount)) for line in message.lines)
    command = ReleaseFinancing(event=EventId(message.event_id), approval=ApprovalId(message.approval_id), lines=released)
    return _skipped(await release_financing(command, work))


HANDLERS = handlers(CommitmentReserved=secure_on_reservation, CommitmentRefused=return_on_refusal, CommitmentReleased=note_release)


def _skipped(ignored: Ignored | None) -> Skipped | None:
    return None if ignored is None else Skipped(ignored.value)


def _refusal(message: CommitmentRefused) -> Refusal:
    return Refusal(
        reason=Reason(message.reason),
        line_code=message.line_code,
        short_by=None if message.short_by is None else _money(message.short_by),
        shortfalls=tuple(Shortfall(short.line_code, _money(short.short_by)) for short in message.shortfalls),
    )


def _money(value: MoneyValue) -> Money:
    return Money(value.amount, value.currency)
