"""The log as model tests see it: what several services say to each other, in every order that Kafka and a broken network allow.

The one rule: records of one (topic, key) are heard in their order by each consumer, and nothing else is promised: keys and
consumers advance independently, as slowly as the test likes, and what was heard may be heard again.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from klaster_shared.consuming.handling import Consumer, Skipped
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.registry import enclose, parse, type_of
from klaster_shared.ids import new_id

type Place = tuple[str, str]
"""Topic and key."""
type Unread = tuple[str, Place]
"""Consumer and place."""


def done[T](coroutine: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    """Repositories in memory never wait, so a use case on them runs through without an event loop."""
    steps = coroutine.__await__()
    try:
        next(steps)
    except StopIteration as stopped:
        result: T = stopped.value
        return result
    raise AssertionError("a use case waited for something")


@dataclass(slots=True)
class ModelledLog:
    """Each consumer's position in each key, and its inbox. Every choice is by index into a list in the order of appending, so that an
    example can be run again.
    """

    works: Mapping[str, Any]
    """Consumer → the unit of work that its handlers are given."""
    consumers: Iterable[Consumer]
    places: dict[Place, list[Envelope]] = field(default_factory=dict)
    heard: dict[Unread, int] = field(default_factory=dict)
    inboxes: dict[str, set[UUID]] = field(default_factory=dict)

    def append(self, message: Message, *, at: datetime) -> None:
        kind = type_of(message)
        envelope = enclose(message, id=new_id(), time=at, recorded_time=at, sequence=1)
        self.places.setdefault((kind.topic, str(envelope.partition_key)), []).append(envelope)

    def unread(self) -> list[Unread]:
        """Who has something to hear, and where."""
        return [
            (consumer.name, place)
            for consumer in self.consumers
            for place, records in self.places.items()
            if place[0] in consumer.topics and self.heard.get((consumer.name, place), 0) < len(records)
        ]

    def read(self) -> list[tuple[Unread, int]]:
        """What may be heard again: with the index of the record."""
        return [(unread, index) for unread, next_index in self.heard.items() for index in range(next_index)]

    def deliver(self, unread: Unread) -> Skipped | None:
        """The next record of the place, to that consumer."""
        index = self.heard.get(unread, 0)
        self.heard[unread] = index + 1
        return self._hand_over(unread, index)

    def deliver_again(self, unread: Unread, index: int, *, forgotten: bool) -> Skipped | None:
        """`forgotten`: the inbox no longer knows the message, because it was long ago."""
        if forgotten:
            self.inboxes[unread[0]].discard(self.places[unread[1]][index].inbox_id)
        return self._hand_over(unread, index)

    def drain(self, after_each: Callable[[], None], *, last_first: bool = False) -> None:
        """Until everybody has heard everything, what that causes included; of several who could, always the first or always the last."""
        while unread := self.unread():
            self.deliver(unread[-1 if last_first else 0])
            after_each()

    def _hand_over(self, unread: Unread, index: int) -> Skipped | None:
        name, place = unread
        (consumer,) = [each for each in self.consumers if each.name == name]
        envelope = self.places[place][index]
        inbox = self.inboxes.setdefault(name, set())
        handler = consumer.handlers.get(envelope.type)
        if handler is None or envelope.inbox_id in inbox:
            return None
        inbox.add(envelope.inbox_id)
        return done(handler(parse(envelope), self.works[name]))
