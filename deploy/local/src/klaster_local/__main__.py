"""`klaster`, also as `python -m klaster_local`."""

import sys

from rich.console import Console

from klaster_local.failures import CommandFailed, WrongUsage
from klaster_shared.embedded.errors import EngineError

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def main() -> int:
    """The exit code: 0 done, 1 refused or failed, 2 wrong usage."""
    from klaster_local.commands.app import app

    try:
        app(standalone_mode=True)
    except WrongUsage as error:
        return _said(error.message, error.details, WRONG_USAGE)
    except CommandFailed as error:
        return _said(error.message, error.details, FAILED)
    except EngineError as error:
        return _said(error.message, error.details, FAILED)
    except OSError as error:
        if error.filename is None:
            raise
        return _said(
            f"{error.filename} cannot be used: {error.strerror}. KLASTER_STATE_DIR in .env chooses another folder for the stack's state.", "", FAILED
        )
    return DONE


def _said(message: str, details: str, code: int) -> int:
    console = Console(stderr=True, highlight=False)
    console.print(message, style="red", markup=False)
    if details:
        console.print(details, style="dim", markup=False)
    return code


if __name__ == "__main__":
    sys.exit(main())
