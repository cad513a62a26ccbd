"""Stand-ins for what a test must hold still."""

from datetime import timedelta

from klaster_shared.clock import Instant


class FixedClock:
    """A clock that moves only when told to. Fits `klaster_shared.clock.Clock`."""

    def __init__(self, at: Instant) -> None:
        if at.utcoffset() is None:
            raise ValueError("an instant has a time zone")
        self._now = at

    def now(self) -> Instant:
        return self._now

    def advance(self, by: timedelta) -> Instant:
        """Moves on and returns the new time; a negative step is a clock set back."""
        self._now += by
        return self._now
