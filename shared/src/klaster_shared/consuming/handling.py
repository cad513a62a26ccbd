"""What a service declares about the messages it hears: which topics, which handler for which message.

The one rule: a handler sees a parsed message and a unit of work, nothing of Kafka, and it never commits.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.registry import type_of_model

if TYPE_CHECKING:
    from klaster_shared.consuming.projections import Projection


@dataclass(frozen=True, slots=True)
class Skipped:
    """A handler's answer when the precondition of its message has passed: a counted no-op, not a refusal."""

    why: str


type Handler = Callable[[Any, Any], Awaitable[Skipped | None]]
type Handlers = Mapping[str, Handler]
"""By `ce_type`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One consumer group's declaration. `name` is the group id and the key of inbox, positions and parked messages: renaming it
    starts a new consumer from the beginning of the log.

    `sources`, if given, is the allow-list of `ce_source`; a message from elsewhere is parked as `unknown-source`.

    `replay_safe` are the handlers that may run again for a message that was handled long ago: whatever was applied since, the outcome
    is the same as now, and nothing happens outside the transaction. What is not listed never runs in a replay. Those that build
    `projection` are replay-safe by what a projection is.
    """

    name: str
    topics: tuple[str, ...]
    handlers: Handlers
    sources: frozenset[str] | None = None
    replay_safe: Handlers = field(default_factory=dict)
    projection: "Projection | None" = None

    def __post_init__(self) -> None:
        if unheard := self.replayable.keys() - self.handlers.keys():
            raise TypeError(f"{self.name} would replay what it does not hear: {', '.join(sorted(unheard))}")

    @property
    def replayable(self) -> Handlers:
        """What runs in a replay, by `ce_type`."""
        return self.replay_safe if self.projection is None else {**self.replay_safe, **self.projection.handlers}


def handlers(**by_name: Handler) -> Handlers:
    """Handlers by message name; each one's first annotation must be the message of that name.

    Raises:
        TypeError: a name and its handler's annotation differ, or the annotation is no registered message.
    """
    found: dict[str, Handler] = {}
    for name, handler in by_name.items():
        first = next(iter(inspect.signature(handler).parameters))
        model = get_type_hints(handler)[first]
        if not (isinstance(model, type) and issubclass(model, Message)) or model.__name__ != name:
            raise TypeError(f"handler {handler} of {name} takes {model} as its message")
        found[type_of_model(model).ce_type] = handler
    return found
