"""The log as it grows, seen by a client that is not ours: when each record was sent, and by whom.

The one rule: times are the records' own timestamps, set by the relay when it sends: a watcher that is late sees the same times.
"""

import itertools
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Consumer, TopicPartition

from klaster_shared.contracts.topics import TOPICS

POLL_SECONDS: Final = 0.05
BATCH: Final = 500
DISORDER_SECONDS: Final = 60.0
"""Partitions are read side by side: a record may be seen after one of another partition that was sent later, but never by so much."""


class LogWatch:
    """Reads all topics from the ends they had at the start, in a thread of its own, until the context ends; a broker that is away is waited for."""

    def __init__(self, servers: str) -> None:
        self._consumer: Any = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "chaos-watch",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self._times: dict[str, list[float]] = {owner: [] for owner in {topic.owner for topic in TOPICS.values()}}
        self._ids: Counter[bytes] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name="log watch", daemon=True)

    def __enter__(self) -> Self:
        there = self._consumer.list_topics(timeout=30).topics
        places = [TopicPartition(name, number) for name in TOPICS if name in there for number in there[name].partitions]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, 30)[1]
        self._consumer.assign(places)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def first_after(self, owner: str, instant: float) -> float | None:
        """When the first record that the owner sent at or after `instant` (seconds since the epoch) was sent; None so far."""
        recent = itertools.takewhile(lambda sent: sent >= instant - DISORDER_SECONDS, reversed(self._times[owner]))
        return min((sent for sent in recent if sent >= instant), default=None)

    def longest_gap(self, owner: str, since: float) -> float:
        """Seconds between two records of the owner in a row, at most, from `since` until now."""
        sent = sorted(instant for instant in self._times[owner] if instant >= since)
        return max((after - before for before, after in itertools.pairwise(sent)), default=0.0)

    def sent(self, owner: str, since: float) -> int:
        return sum(1 for instant in self._times[owner] if instant >= since)

    def wire_duplicates(self) -> int:
        """Records whose message had been in the log before."""
        return sum(count - 1 for count in self._ids.values())

    def _read(self) -> None:
        while not self._stopping.is_set():
            for record in self._consumer.consume(BATCH, POLL_SECONDS):
                if record.error() is not None:
                    continue
                topic = TOPICS.get(record.topic())
                if topic is not None:
                    self._times[topic.owner].append(record.timestamp()[1] / 1000)
                    if topic.owner != "accounting":
                        self._ids.update(value for name, value in record.headers() or () if name == "ce_id")


def now_as_records_have_it() -> float:
    """Cut to milliseconds, as timestamps in the log are."""
    return int(time.time() * 1000) / 1000
