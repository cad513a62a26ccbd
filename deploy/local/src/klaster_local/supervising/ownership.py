"""Who is the supervisor of a state folder: at most one process, and nobody once it is dead.

The one rule: ownership is a lock that the kernel holds for a living process and drops at its death, `kill -9` included. The pid file only says
whom to signal, and is believed only while the lock is held and the process looks like a supervisor.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

LOCK_FILE: Final = "supervisor.lock"
PID_FILE: Final = "supervisor.pid"
SECRETS_FILE: Final = "passwords.json"
MODULE: Final = "klaster_local.supervising.main"
"""What a supervisor's command line names; a pid may long belong to somebody else."""

LOOKERS_HOLD_SECONDS: Final = 0.5


class AlreadyOwned(Exception):
    """Another supervisor has the state folder."""


class Ownership:
    """A context: inside it this process is the supervisor. Raises AlreadyOwned on entry."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self._state.mkdir(parents=True, exist_ok=True)
        self._descriptor = _locked(self._state / LOCK_FILE)
        partial = self._state / f"{PID_FILE}.part"
        partial.write_text(f"{os.getpid()}\n")
        partial.rename(self._state / PID_FILE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        (self._state / PID_FILE).unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_owned(state: Path) -> bool:
    """Whether a living supervisor has the state folder."""
    try:
        descriptor = os.open(state / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look at once do not take each other for a supervisor.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def owner(state: Path) -> int | None:
    """The pid of the living supervisor; None when there is none, and for the moment in which it has the lock but has not yet signed."""
    if is_owned(state):
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            pid = int((state / PID_FILE).read_text())
            if MODULE in psutil.Process(pid).cmdline():
                return pid
    return None


def _locked(path: Path) -> int:
    """The descriptor of the locked file. It is not inherited by children: a lock lives as long as any process has the file open."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOOKERS_HOLD_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:  # whoever only looks holds it for microseconds
                os.close(descriptor)
                raise AlreadyOwned from None
            time.sleep(LOOKERS_HOLD_SECONDS / 50)
        else:
            return descriptor
