"""The embedded stack as the command sees it: start its supervisor, follow it, stop it, and be sure that nothing is left.

The one rule: what has been started is known by pid and start time together, so that cleaning up never hits a stranger who has the number now.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import psutil

from klaster_local.configuration import Configuration
from klaster_local.failures import CommandFailed, WrongUsage
from klaster_local.ports import doubly_needed, needs_of, taken
from klaster_local.supervising.ownership import MODULE, SECRETS_FILE, is_owned, owner
from klaster_local.supervising.record import RECORD_FILE, PartState, StackRecord, StackState
from klaster_local.supervising.requests import FOLDER, ask_restart
from klaster_shared.embedded.postgres import PostgresServer

POLL_SECONDS: Final = 0.05
STOP_SECONDS: Final = 60.0
"""For the services, which take `lifecycle.STOP_SECONDS` at most, and after them the engines."""
KILLED_SECONDS: Final = 10.0
BEGIN_SECONDS: Final = 30.0
RESTART_SECONDS: Final = 90.0
TAIL_LINES: Final = 15
OWN_FOLDERS: Final = ("kafka", "mail", "logs", FOLDER)
OWN_FILES: Final = (SECRETS_FILE, RECORD_FILE)


class Stack:
    """The stack of one state folder, running or not."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._state = configuration.state

    @property
    def is_running(self) -> bool:
        """Whether a supervisor lives; its parts may still be starting."""
        return is_owned(self._state)

    @property
    def is_starting(self) -> bool:
        """Whether a supervisor lives and has not yet brought everything up; true also before it has said anything."""
        record = self.record()
        return self.is_running and (record is None or record.supervisor != owner(self._state) or record.state is StackState.STARTING)

    def record(self) -> StackRecord | None:
        """The supervisor's record; of a dead supervisor, what it wrote last."""
        return StackRecord.read(self._state)

    def start(self) -> None:
        """Starts a supervisor and returns once it lives. Raises CommandFailed when ports are taken or it ends at once."""
        needs = needs_of(self._configuration)
        if problems := doubly_needed(needs) or taken(needs):
            raise CommandFailed(problems[0], "\n".join(problems[1:]))
        self._state.mkdir(parents=True, exist_ok=True)
        pid = self._spawn()
        deadline = time.monotonic() + BEGIN_SECONDS
        while owner(self._state) != pid or (record := self.record()) is None or record.supervisor != pid:
            ended = _has_ended(pid)
            if ended and self.is_running:  # another `klaster up` was faster
                return
            if ended or time.monotonic() > deadline:
                raise CommandFailed("The supervisor could not be started; its log ends with:", _tail(self._log))
            time.sleep(POLL_SECONDS)

    def follow(self, show: Callable[[StackRecord], None]) -> StackRecord:
        """Calls `show` with every state of the record until all parts run.

        Raises CommandFailed when the start is given up, or when a part of a stack that was up does not come back.
        """
        patience = time.monotonic() + RESTART_SECONDS
        while True:
            alive = self.is_running
            record = self.record()
            if record is not None and not (alive and record.supervisor != owner(self._state)):  # else it is the last word of an earlier one
                show(record)
                missing = [part.name for part in record.parts if part.state is not PartState.RUNNING]
                if record.state is StackState.RUNNING and not missing:
                    return record
                if record.state in {StackState.FAILED, StackState.STOPPING}:
                    first, _, rest = (record.failure or "The stack is being stopped.").partition("\n")
                    raise CommandFailed(first, rest)
                if record.state is StackState.STARTING:  # which may take minutes, the first time
                    patience = time.monotonic() + RESTART_SECONDS
                elif time.monotonic() > patience:
                    raise CommandFailed(f"{' and '.join(missing)} did not come back within {RESTART_SECONDS:g} s; `klaster status` says more.")
            if not alive:
                raise CommandFailed("The supervisor has ended; its log ends with:", _tail(self._log))
            time.sleep(POLL_SECONDS)

    def stop(self) -> bool:
        """Ends the supervisor and all it has started, within a minute and a half at most; False when nothing was running.

        Also cleans up after a supervisor that was killed. Raises CommandFailed when a process cannot be ended.
        """
        was_running = self.is_running
        supervisor = owner(self._state)
        if supervisor is not None:
            _signal(supervisor, signal.SIGTERM)
        if not self._ends_within(STOP_SECONDS) and (supervisor := owner(self._state)) is not None:
            _signal(supervisor, signal.SIGKILL)
            self._ends_within(KILLED_SECONDS)
        left = self._kill_leftovers()
        if self.is_running or left:
            raise CommandFailed(f"These processes could not be ended: {', '.join(map(str, left)) or 'the supervisor'}.")
        return was_running

    def wipe(self) -> None:
        """Removes databases, messages, mails and logs of a stopped stack, and nothing else that lies in the state folder."""
        if self._state.exists():
            PostgresServer(self._state, self._configuration.postgres_port).wipe()
            for folder in OWN_FOLDERS:
                shutil.rmtree(self._state / folder, ignore_errors=True)
            for file in OWN_FILES:
                (self._state / file).unlink(missing_ok=True)

    def restart(self, part: str) -> StackRecord:
        """Ends one part and returns when its successor is ready. Raises CommandFailed when there is no supervisor, WrongUsage when there is no such part."""
        supervisor, record = owner(self._state), self.record()
        if supervisor is None or record is None:
            raise CommandFailed("Nothing is running here; `klaster up` starts the stack.")
        before = record.part(part)
        if before is None:
            raise WrongUsage(f"There is no {part!r}; the parts are {', '.join(each.name for each in record.parts)}.")
        ask_restart(self._state, supervisor, part)
        deadline = time.monotonic() + RESTART_SECONDS
        while (now := self.record()) is None or (after := now.part(part)) is None or after.state is not PartState.RUNNING or after.pid == before.pid:
            if time.monotonic() > deadline or not self.is_running:
                raise CommandFailed(f"{part} did not come back; its log is {self._state / 'logs' / f'{part}.log'}.")
            time.sleep(POLL_SECONDS)
        return now

    @property
    def _log(self) -> Path:
        return self._state / "logs" / "supervisor.log"

    def _spawn(self) -> int:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # Not subprocess.Popen: this process ends long before the supervisor, and nobody here waits for it.
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", MODULE],
            {**os.environ, **kept_bytecode(os.environ), "KLASTER_CHECKOUT": str(self._configuration.root)},
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _kill_leftovers(self) -> list[int]:
        """The pids that are still there after a SIGKILL: normally none, because the children of a dead supervisor end with it."""
        left = list(self._recorded())
        _, alive = psutil.wait_procs(left, timeout=KILLED_SECONDS / 2)
        for process in alive:
            _signal(process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(alive, timeout=KILLED_SECONDS)
        return [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def _recorded(self) -> Iterator[psutil.Process]:
        record = self.record()
        for part in record.parts if record else ():
            process = process_of(part.pid, part.created)
            if process is not None:
                yield process


def kept_bytecode(environment: Mapping[str, str]) -> dict[str, str]:
    """Lets the services keep their compiled modules in our cache where the environment forbids it beside the sources, as containers do: without
    any, each of them spends two seconds of its start on compiling.
    """
    if not environment.get("PYTHONDONTWRITEBYTECODE"):
        return {}
    from klaster_shared.embedded.jars import cache_directory

    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache_directory() / "bytecode")}


def process_of(pid: int | None, created: float | None) -> psutil.Process | None:
    """The living process of that pid and start time."""
    if pid is None or created is None:
        return None
    try:
        process = psutil.Process(pid)
        # The system counts in clock ticks, and the boot time that it is added to may be corrected.
        return process if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _has_ended(pid: int) -> bool:
    """Of a child of ours; it may be asked again after it has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
    except FileNotFoundError:
        return ""
