"""The thread through the system: a correlation id per flow, a causation id per command or message.

The one rule: both are bound to the log context for as long as the work runs, so no call site passes them to a logger.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from structlog.contextvars import bound_contextvars

from klaster_shared.ids import new_id

_ACCEPTED = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Flow:
    """`correlation_id` names everything that one wish from outside sets off, `causation_id` the step now being done."""

    correlation_id: str
    causation_id: str


def flow_of_request(given: str | None) -> Flow:
    """A new step; it joins the caller's flow when `given` is 1 to 128 visible ASCII characters, else it begins one."""
    step = str(new_id())
    return Flow(given if given is not None and _ACCEPTED.fullmatch(given) else step, step)


@contextmanager
def following(flow: Flow, **more: str) -> Iterator[None]:
    """Every log line inside carries the flow, and whatever else names the work (consumer, topic), never a payload."""
    with bound_contextvars(correlation_id=flow.correlation_id, causation_id=flow.causation_id, **more):
        yield
