"""What a process of a service does, and within which time it stops doing it.

The one rule: a stop has one bound, `STOP_SECONDS`, and every part of a stop takes its share from here. Whoever ends processes
(docker compose, the supervisor, a cluster) grants more than the bound, and so never has to kill.
"""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What `serve --only` chooses from. Whatever has no role (gauges) runs in every process."""

    API = "api"
    CONSUMERS = "consumers"
    """Consumers, the unparkers behind them, and a service's own clocks."""
    RELAY = "relay"
    SENDER = "sender"


STOP_SECONDS: Final = 10.0
"""From the signal to the end of the process, whatever hangs."""

WORK_SECONDS: Final = 6.0
"""Requests, batches and mails in hand, side by side; consumers also leave their groups in it."""

PUBLISH_SECONDS: Final = 2.5
"""The relay publishes what that work has committed, and gives its lock back."""

CLOSE_SECONDS: Final = 1.0
"""Gauges, open connections, the database pool."""

QUICK_SECONDS: Final = 2.0
"""After a second signal."""

RETRY_SECONDS: Final = 1
"""What clients are told to wait: another process has taken over by then, or this one's successor is about to listen."""
