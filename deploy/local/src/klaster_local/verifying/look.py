"""Everything that one look at the system has seen, arranged so that the checks can ask for it.

The one rule: databases, then the log, then the databases again. A row of the first snapshot has its message in that snapshot's outbox
or in the log read after it; a message of the log has its row in the second snapshot. So both can be asked for while the system works.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from klaster_local.verifying.expectations import SERVICES, Consumer
from klaster_local.verifying.ledger import Command
from klaster_local.verifying.log import Log, Message, Place, message_of
from klaster_local.verifying.mails import Arrived
from klaster_local.verifying.tables import Tables

_PLACE = re.compile(r"(?P<topic>\S+)/(?P<partition>[0-9]+) (?:at|to) (?P<offset>[0-9]+)\b")

type Offset = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """`commands` and `mails` are None where nobody keeps any. `waiting`: how long something may wait; `kept`: how long inboxes remember."""

    before: Mapping[str, Tables]
    log: Log
    after: Mapping[str, Tables]
    now: datetime
    waiting: timedelta
    kept: timedelta
    prefix: str
    commands: Sequence[Command] | None = None
    mails: Sequence[Arrived] | None = None
    mails_are_shared: bool = False
    memo: dict[str, "Progress"] = field(default_factory=dict)

    @cached_property
    def outboxes(self) -> Mapping[str, Sequence[Message]]:
        """By topic, of the first snapshot: what was committed and may not have been in the log yet."""
        found: dict[str, list[Message]] = defaultdict(list)
        for service in SERVICES:
            for row in self.before[service]["outbox"]:
                topic = row["topic"].removeprefix(self.prefix)
                headers = [(name, value.encode()) for name, value in json.loads(row["headers"])]
                key = row["key"].encode()
                found[topic].append(message_of(topic=topic, logged_at=row["recorded_at"], key=key, headers=headers, value=row["payload"]))
        return found

    def said(self, topic: str) -> Iterator[Message]:
        """Whatever was committed to be said there: the log, then what an outbox still held. Copies included."""
        yield from self.log.records.get(topic, ())
        yield from self.outboxes.get(topic, ())

    @cached_property
    def sequences(self) -> Mapping[str, Mapping[str, Mapping[int, Message]]]:
        """Topic → key → sequence → the first message of that number."""
        found: dict[str, dict[str, dict[int, Message]]] = defaultdict(lambda: defaultdict(dict))
        for topic in {*self.log.records, *self.outboxes}:
            for message in self.said(topic):
                if message.key is not None and message.sequence is not None:
                    found[topic][message.key].setdefault(message.sequence, message)
        return found

    def life(self, topic: str, identifier: UUID, version: int) -> Sequence[Message] | None:
        """The messages 1 to `version` of an aggregate; None when one of them is missing."""
        life = self.sequences.get(topic, {}).get(str(identifier), {})
        return [life[number] for number in range(1, version + 1)] if all(number in life for number in range(1, version + 1)) else None

    def progress(self, consumer: Consumer) -> "Progress":
        if consumer.name not in self.memo:
            self.memo[consumer.name] = Progress(consumer, self.before[consumer.service], self.prefix)
        return self.memo[consumer.name]


class Progress:
    """How far a consumer has come, as its database said at one moment.

    `applied`: inbox rows; `effective`: without those of skips, which are of the same instant as the act.
    """

    def __init__(self, consumer: Consumer, tables: Tables, prefix: str) -> None:
        def own(name: str) -> Iterator[Mapping[str, Any]]:
            return (row for row in tables[name] if row["consumer"] == consumer.name)

        def short(topic: str) -> str:
            return topic.removeprefix(prefix)

        self.positions: dict[Place, int] = {(short(row["topic"]), row["partition"]): row["next_offset"] for row in own("consumer_position")}
        self.applied: dict[UUID, datetime] = {row["message_id"]: row["applied_at"] for row in own("inbox")}
        self.parked = {(short(row["topic"]), row["partition"], row["log_offset"]) for row in own("parked_message")}
        self.parked_ids: set[UUID] = {row["message_id"] for row in own("parked_message") if row["message_id"] is not None}
        self.skipped: set[Offset] = set()
        self.skipped_ids: dict[UUID, set[datetime]] = defaultdict(set)
        self.edited_ids: set[UUID] = set()
        self.reset_to: dict[Place, int] = {}
        for row in own("operator_act"):
            self._note(row, short)
        self.effective = {identifier for identifier, at in self.applied.items() if at not in self.skipped_ids.get(identifier, ())}

    def has_passed(self, message: Message) -> bool:
        return message.offset < self.positions.get((message.topic, message.partition), 0)

    def was_reset_past(self, message: Message) -> bool:
        """Whether an operator has set the position beyond it."""
        return message.offset < self.reset_to.get((message.topic, message.partition), 0)

    def accounts_for(self, message: Message) -> bool:
        """Whether it was applied, set aside, or taken out by an operator."""
        place = (message.topic, message.partition, message.offset)
        if place in self.parked or place in self.skipped:
            return True
        return message.id is not None and any(message.id in ids for ids in (self.applied, self.parked_ids, self.skipped_ids))

    def _note(self, act: Mapping[str, Any], short: Callable[[str], str]) -> None:
        """What an operator skipped, by id or by place, or edited before it was applied, and how far one has set a position."""
        matched = _PLACE.search(act["subject"])
        if act["action"] == "edit" and act["message_id"] is not None:
            self.edited_ids.add(act["message_id"])
        elif act["action"] == "skip":
            if act["message_id"] is not None:
                self.skipped_ids[act["message_id"]].add(act["at"])
            if matched is not None:
                self.skipped.add((short(matched["topic"]), int(matched["partition"]), int(matched["offset"])))
        elif act["action"] == "reset-position" and matched is not None:
            place = (short(matched["topic"]), int(matched["partition"]))
            self.reset_to[place] = max(int(matched["offset"]), self.reset_to.get(place, 0))
