"""The sending of one delivery, as the sender keeps it: how often it was tried, when it may be tried again, who is at it now.

The one rule: a claim is a lease, not a lock. Whoever claims a mail has it until `due_at`; after that anybody may send it again,
under the same Message-ID.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from klaster_notifications.domain.ids import ClaimId, DeliveryId
from klaster_shared.clock import Instant

LEASE: Final = timedelta(seconds=45)
"""How long a claimed batch is its sender's. No mail of it is begun when less than `LONGEST_DIALOGUE` is left."""

LONGEST_DIALOGUE: Final = timedelta(seconds=20)
"""The limit of one mail's exchange with the mail server."""

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=15)
_DOUBLINGS: Final = 10


class Verdict(StrEnum):
    """What the mail server's answer means for a mail: it is his now, come again, never come again."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """`failure` is `smtp-` and the server's code, or a word for what went wrong; never the server's text, which repeats addresses."""

    verdict: Verdict
    failure: str | None = None


ACCEPTED: Final = Answer(Verdict.ACCEPTED)


@dataclass(slots=True, kw_only=True)
class Dispatch:
    """`attempts` counts dialogues about this mail; a server that cannot be reached is not its fault. `due_at` None: nothing left to do."""

    delivery: DeliveryId
    attempts: int = 0
    due_at: Instant | None
    claim: ClaimId | None = None
    last_failure: str | None = None

    def attempted(self, answer: Answer, *, at: Instant, most: int) -> Verdict:
        """Counts the attempt and plans the next one; what was deferred `most` times is refused."""
        self.attempts += 1
        self.claim = None
        self.last_failure = answer.failure
        again = answer.verdict is Verdict.DEFERRED and self.attempts < most
        self.due_at = at + pause_after(self.attempts) if again else None
        return Verdict.DEFERRED if again else _final(answer.verdict)


def pause_after(attempts: int) -> timedelta:
    """1 s, 2 s, 4 s … at most a quarter of an hour: greylisting passes in minutes, an outage may last for hours."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, _DOUBLINGS)), LONGEST_PAUSE)


def _final(verdict: Verdict) -> Verdict:
    return Verdict.REFUSED if verdict is Verdict.DEFERRED else verdict
