"""Retry and skip, inside a transaction that the office has opened."""

from klaster_shared.consuming import gate_queue, inbox
from klaster_shared.consuming.audit import Act, write_act
from klaster_shared.consuming.parking import State, Verdict
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Row
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import NotFound, Refused


class NotHead(Refused):
    """Another message of the same key was parked earlier and must go first. Retry or skip that one; its id is in `head`."""

    slug = "not-head"

    def __init__(self, parked_id: int, head: int) -> None:
        super().__init__(f"Parked message {parked_id} waits behind {head}.", id=parked_id, head=head)


async def existing(connection: Connection, parked_id: int) -> Row:
    """
    Raises:
        NotFound: there is no such parked message (any more).
    """
    row = await gate_queue.find(connection, parked_id)
    if row is None:
        raise NotFound("parked message", parked_id)
    return row


async def head(connection: Connection, parked_id: int) -> Row:
    """The row, locked by its gate and proved to be the head.

    Raises:
        NotFound: there is no such parked message (any more).
        NotHead: an earlier message of its key must go first.
    """
    found = await gate_queue.hold(connection, await existing(connection, parked_id))
    if found is None:
        raise NotFound("parked message", parked_id)
    if found["id"] != parked_id:
        raise NotHead(parked_id, found["id"])
    return found


async def retry(work: UnitOfWork, row: Row, *, reason: str | None) -> None:
    """Makes the head due now, whatever its state was."""
    verdict = Verdict(reason=row["reason"], state=State.DUE, error=row["error"])
    await gate_queue.postpone(work.connection, row["id"], verdict, attempts=row["attempts"], again=work.now)
    await write(work, "retry", row, reason)


async def skip(work: UnitOfWork, row: Row, *, reason: str) -> None:
    """Takes the head out unapplied. Its inbox row is of the same instant as the act, which is how an import tells a skip from an effect."""
    if row["message_id"] is not None:
        await inbox.claim(work.connection, row["consumer"], [row["message_id"]], work.now)
    await gate_queue.remove(work.connection, row)
    await write(work, "skip", row, reason)


async def write(work: UnitOfWork, action: str, row: Row, reason: str | None, *, replaced_value: bytes | None = None) -> None:
    """The act, with where the message lay in the log."""
    await write_act(
        work.connection,
        Act(action=action, actor=work.actor, at=work.now, reason=reason),
        consumer=row["consumer"],
        subject=subject(row),
        message_id=row["message_id"],
        replaced_value=replaced_value,
    )


def subject(row: Row) -> str:
    return f"{row['topic']}/{row['partition']} at {row['log_offset']}, {row['type'] or 'unreadable'}, {row['reason']}"
