"""Where the services' own command lines are."""

import shutil
import sys
from pathlib import Path

from klaster_shared.embedded.errors import EngineError


def command_of(service: str) -> str:
    """From the environment that `klaster` itself runs in, else from the path. Raises EngineError when it is not installed."""
    command = f"klaster-{service}"
    beside = Path(sys.executable).with_name(command)
    found = str(beside) if beside.exists() else shutil.which(command)
    if found is None:
        raise EngineError(f"{command} is not installed here: run `make setup`.")
    return found
