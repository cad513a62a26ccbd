"""The office: opens one transaction for each act on one message, and wakes the unparker after it."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from klaster_shared.consuming import positions
from klaster_shared.consuming.audit import Act, write_act
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.office import acts, carrying, editing, listing
from klaster_shared.consuming.office.carrying import ParkedRecord, TakenIn
from klaster_shared.consuming.office.editing import EditingOff
from klaster_shared.consuming.office.listing import Parked, Wanted
from klaster_shared.consuming.positions import Partition, Position
from klaster_shared.db.statements import Row
from klaster_shared.db.unit_of_work import Transactions, UnitOfWork
from klaster_shared.errors import NotFound
from klaster_shared.origin import Origin

EVERYTHING = Wanted()
EXPORTED_AT_ONCE = 20
"""A record holds up to a megabyte; what is read at once lies in memory."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What a bulk act has done, or would do. `waiting`: messages that were meant as well and wait behind others of their key, counted on the
    first page; they follow when their head is through. `next`: the cursor to go on with, None at the end.
    """

    ids: Sequence[int]
    waiting: int
    next: int | None


type OnHead[W] = Callable[[W, Row], Coroutine[Any, Any, None]]
"""What is done to one head, locked and read."""


class _NotForGood(Exception):
    """Ends the transaction of a dry run."""


class ParkingOffice[W: UnitOfWork]:
    """`wake` is called with the consumer's name after an act, so that its unparker looks at once; `editing` allows `edit`."""

    def __init__(
        self, transactions: Transactions[W], consumers: Iterable[Consumer] = (), *, wake: Callable[[str], None], editing: bool = False
    ) -> None:
        self._transactions = transactions
        self._consumers = {consumer.name: consumer for consumer in consumers}
        self._wake = wake
        self._editing = editing

    async def listing(self, wanted: Wanted = EVERYTHING, *, after: int = 0, limit: int = 50) -> list[Parked]:
        """Ordered by id, from the one after `after`."""
        async with self._transactions.database.connect() as connection:
            return await listing.listing(connection, wanted, after=after, limit=limit)

    async def show(self, parked_id: int) -> Parked:
        """
        Raises:
            NotFound: there is no such parked message (any more).
        """
        async with self._transactions.database.connect() as connection:
            return listing.parked(await acts.existing(connection, parked_id))

    async def retry(self, parked_id: int, *, actor: str, reason: str | None = None) -> Parked:
        """Makes the head due now, whatever its state was.

        Raises:
            NotFound: there is no such parked message (any more).
            NotHead: an earlier message of its key must go first.
        """
        async with self._transactions.begin(_origin(actor)) as work:
            row = await acts.head(work.connection, parked_id)
            await acts.retry(work, row, reason=reason)
            after = await acts.existing(work.connection, parked_id)
        return self._woken(after)

    async def skip(self, parked_id: int, *, actor: str, reason: str) -> Parked:
        """Takes the head out unapplied; its inbox row is written, so a copy of it is a duplicate from now on.

        Raises:
            NotFound: there is no such parked message (any more).
            NotHead: an earlier message of its key must go first.
        """
        async with self._transactions.begin(_origin(actor)) as work:
            row = await acts.head(work.connection, parked_id)
            await acts.skip(work, row, reason=reason)
        return self._woken(row)

    async def edit(self, parked_id: int, value: bytes, *, actor: str, reason: str) -> Parked:
        """Replaces the head's value and makes it due; what was there stays with the act.

        Raises:
            EditingOff: it is not allowed here.
            NotFound: there is no such parked message (any more).
            NotHead: an earlier message of its key must go first.
            Invalid: its consumer could not handle the value.
        """
        if not self._editing:
            raise EditingOff
        async with self._transactions.begin(_origin(actor)) as work:
            row = await acts.head(work.connection, parked_id)
            consumer = self._consumers.get(row["consumer"])
            if consumer is None:
                raise NotFound("consumer", row["consumer"])
            await editing.replace_value(work, row, consumer, value)
            await acts.write(work, "edit", row, reason, replaced_value=row["value"])
            after = await acts.existing(work.connection, parked_id)
        return self._woken(after)

    async def retry_all(
        self, wanted: Wanted, *, actor: str, reason: str | None = None, dry_run: bool = False, after: int = 0, limit: int = 100
    ) -> Touched:
        """Retries the heads among those meant, one transaction each, at most `limit`; with `dry_run` none."""

        async def retry(work: W, row: Row) -> None:
            await acts.retry(work, row, reason=reason)

        return await self._each(wanted, retry, actor=actor, dry_run=dry_run, after=after, limit=limit)

    async def skip_all(self, wanted: Wanted, *, actor: str, reason: str, dry_run: bool = False, after: int = 0, limit: int = 100) -> Touched:
        """Skips the heads among those meant, one transaction each, at most `limit`; with `dry_run` none. What becomes head by that is not touched."""

        async def skip(work: W, row: Row) -> None:
            await acts.skip(work, row, reason=reason)

        return await self._each(wanted, skip, actor=actor, dry_run=dry_run, after=after, limit=limit)

    async def _each(self, wanted: Wanted, act: OnHead[W], *, actor: str, dry_run: bool, after: int, limit: int) -> Touched:
        async with self._transactions.database.connect() as connection:
            found = await listing.heads(connection, wanted, after=after, limit=limit + 1)
            waiting = 0 if after else await listing.waiting(connection, wanted)
        ids = found[:limit]
        following = ids[-1] if len(found) > limit else None
        if dry_run:
            return Touched(ids, waiting, following)
        touched: list[int] = []
        woken: set[str] = set()
        for parked_id in ids:
            with suppress(NotFound, acts.NotHead):  # somebody else has disposed of it since
                async with self._transactions.begin(_origin(actor)) as work:
                    row = await acts.head(work.connection, parked_id)
                    if not await listing.is_still_wanted(work.connection, wanted, parked_id):
                        continue
                    await act(work, row)
                touched.append(parked_id)
                woken.add(row["consumer"])
        for name in woken:
            self._wake(name)
        return Touched(touched, waiting, following)

    async def export(self, wanted: Wanted, *, actor: str) -> AsyncIterator[Parked]:
        """Everything meant, by id, byte for byte; it holds personal fields, so that it was asked for is written first.

        Rows that come or go meanwhile may be in it or not.
        """
        async with self._transactions.begin(_origin(actor)) as work:
            act = Act(action="export", actor=actor, at=work.now)
            await write_act(work.connection, act, consumer=wanted.consumer or "", subject=str(wanted))
        after = 0
        while page := await self.listing(wanted, after=after, limit=EXPORTED_AT_ONCE):
            for each in page:
                yield each
            after = page[-1].id

    async def take_in(self, lines: Iterable[ParkedRecord], *, actor: str, reason: str, dry_run: bool = False) -> TakenIn:
        """Parks exported records again, in their order, one transaction each; how many came to what. Doing it again changes nothing.

        Raises:
            Invalid: a line names no consumer and topic of this service; nothing has been taken in.
        """
        given = [(line, carrying.consumer_of(line, self._consumers)) for line in lines]
        outcomes: Counter[carrying.Reception] = Counter()
        for line, consumer in given:
            with suppress(_NotForGood):
                async with self._transactions.begin(_origin(actor)) as work:
                    outcomes[await carrying.take_in(work, line, consumer, reason=reason)] += 1
                    if dry_run:
                        raise _NotForGood
        for name in {line.consumer for line, _ in given}:
            self._wake(name)
        return dict(outcomes)

    async def positions(self) -> list[tuple[str, Position]]:
        async with self._transactions.database.connect() as connection:
            return await positions.listing(connection)

    async def reset_position(self, consumer: str, partition: Partition, to: int, *, actor: str, reason: str) -> None:
        """
        Raises:
            NotFound: the consumer has no position there.
        """
        async with self._transactions.begin(_origin(actor)) as work:
            act = Act(action="reset-position", actor=actor, at=work.now, reason=reason)
            await positions.reset(work.connection, consumer, partition, to, act=act)

    def _woken(self, row: Row) -> Parked:
        self._wake(row["consumer"])
        return listing.parked(row)


def _origin(actor: str) -> Origin:
    return Origin(actor=actor, correlation_id="", causation_id="")
