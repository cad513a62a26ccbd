"""What the command asks of a running supervisor besides its end: restarts, as files that are taken away when they are heard.

The one rule: a request is left first and the signal sent after it, so none is missed; a request that was left before a start is void.
"""

import os
import signal
from pathlib import Path

FOLDER = "restart"


def ask_restart(state: Path, supervisor: int, part: str) -> None:
    """Raises ProcessLookupError when the supervisor is gone."""
    folder = state / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / part).touch()
    os.kill(supervisor, signal.SIGHUP)


def take_requests(state: Path) -> list[str]:
    """The names of the parts that are to be restarted; each is given once."""
    found = sorted((state / FOLDER).glob("*"))
    for file in found:
        file.unlink(missing_ok=True)
    return [file.name for file in found]
