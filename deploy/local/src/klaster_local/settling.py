"""Waiting until every message has had its effect.

The one rule: **settled is proved, not guessed.** A look takes, in this order: no delivery is queued, all outboxes are empty, all consumers stand
at the ends of their logs. Two looks in a row with the same ends of the logs prove that at the moment between them nothing was under way: what
an outbox held then would be seen by the second look, in the outbox or as a longer log, and no handler runs without a message. Gauges would not
do: they are seconds old.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from klaster_local.endpoints import Endpoint, Ends, Json, LogEnds, NotAnswering
from klaster_local.failures import CommandFailed
from klaster_shared.contracts.topics import TOPICS, Topic

SETTLE_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What is still under way, and how far the logs reach. Parked messages are not under way: their positions have passed them."""

    queued_deliveries: bool
    pending: int
    behind: int
    ends: Ends

    @property
    def is_quiet(self) -> bool:
        return not (self.queued_deliveries or self.pending or self.behind)

    def __str__(self) -> str:
        deliveries = ", deliveries to be sent" if self.queued_deliveries else ""
        return f"{self.pending} messages to be published, {self.behind} to be handled{deliveries}"


async def settle(services: Mapping[str, Endpoint], kafka_servers: str, *, show: Callable[[str], None], within: float = SETTLE_SECONDS) -> Look:
    """The last look, once everything has settled. `show` is told what is still under way.

    A service that is away may come back: it is waited for. Raises CommandFailed when not everything has settled `within` that many seconds.
    """
    deadline, before = time.monotonic() + within, None
    log_ends = LogEnds(kafka_servers)
    while True:
        look: Look | None = None
        try:
            look = await _look(services, log_ends)
            words = "" if look.is_quiet else str(look)
        except NotAnswering as error:
            words = error.message
        show(words)
        if look is not None and look.is_quiet and before is not None and before.is_quiet and before.ends == look.ends:
            return look
        if time.monotonic() > deadline:
            raise CommandFailed(
                f"After {within:g} s not everything has had its effect: {words or 'messages keep coming'}. `klaster status` says more."
            )
        before = look
        await asyncio.sleep(LOOK_SECONDS)


async def _look(services: Mapping[str, Endpoint], log_ends: LogEnds) -> Look:
    queued = await services["notifications"].get("/v1/deliveries", status="queued", limit=1)
    outboxes = await asyncio.gather(*(service.get("/admin/outbox", limit=1) for service in services.values()))
    positions = await asyncio.gather(*(service.positions() for service in services.values()))
    ends = await asyncio.to_thread(log_ends.read)
    pending = sum(outbox["pending"] for outbox in outboxes)
    return Look(bool(queued["items"]), pending, behind(dict(zip(services, positions, strict=True)), ends), ends)


def behind(positions: Mapping[str, Iterable[Json]], ends: Ends, topics: Iterable[Topic] = tuple(TOPICS.values())) -> int:
    """Messages that a service reads (by the contract's topics) and that one of its consumers has not passed yet.

    `positions` are the rows of `/admin/positions` by service. A partition without a position counts in full: its consumer has not begun.
    """
    total = 0
    for topic in topics:
        for reader in topic.readers:
            rows = [row for row in positions.get(reader, ()) if row["topic"] == topic.name]
            consumers = {row["consumer"] for row in rows} or {None}
            stands = {(row["consumer"], row["partition"]): row["next_offset"] for row in rows}
            for (_, partition), (start, end) in ((key, value) for key, value in ends.items() if key[0] == topic.name):
                total += sum(max(0, end - stands.get((consumer, partition), start)) for consumer in consumers)
    return total
