"""First program of every child: ties the process to its parent, gives up root where asked, then becomes the real program.

The one rule: **no child outlives its parent, not even when the parent is killed with SIGKILL.** Linux does it by itself (PR_SET_PDEATHSIG);
elsewhere a watcher process holds the reading end of a pipe whose writing end only the parent has, and kills the child's group at its end of file.
It runs as a script under `python -I -S`, so it imports the standard library alone.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOTHING = "-"


def become(parent: int, lifeline: int | None, account: tuple[int, int] | None, command: list[str]) -> None:
    """Replaces this process by `command`, as user and group `account` (root only), tied to the process `parent`."""
    # Loaded while still privileged: the interpreter's own folders may be closed to the account.
    library = ctypes.CDLL(None, use_errno=True)
    if lifeline is not None:
        _leave_watcher(lifeline)
    if account is not None:
        user, group = account
        os.setgroups([group])
        os.setgid(group)
        os.setuid(user)
    if lifeline is None and library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:  # after setuid, which clears it
        sys.exit(f"prctl refused: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent ended before it could be watched")
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def _leave_watcher(lifeline: int) -> None:
    child = os.getpid()
    if os.fork():
        os.close(lifeline)
        return
    os.setsid()  # out of the group it may have to kill
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    if os.read(lifeline, 1) == b"":
        with contextlib.suppress(ProcessLookupError):  # the child may have ended first
            os.killpg(child, signal.SIGKILL)
    os._exit(0)


def main(arguments: list[str]) -> None:
    parent, lifeline, user, group, *command = arguments
    become(
        int(parent),
        None if lifeline == NOTHING else int(lifeline),
        None if user == NOTHING else (int(user), int(group)),
        command,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
