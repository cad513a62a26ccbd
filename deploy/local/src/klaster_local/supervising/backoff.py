"""How long to wait before a dead part is started again."""

from dataclasses import dataclass

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
STEADY_SECONDS = 60.0


@dataclass(slots=True)
class BackOff:
    """Doubles from 1 s to 30 s. A part that ran for a minute begins anew: its next death has another cause."""

    deaths: int = 0

    def after(self, ran_seconds: float) -> float:
        """Seconds to wait after a part that ran for `ran_seconds` has died."""
        if ran_seconds >= STEADY_SECONDS:
            self.deaths = 0
        self.deaths += 1
        return min(FIRST_SECONDS * 2.0 ** min(self.deaths - 1, 16), LONGEST_SECONDS)
