"""Children that are started, watched and stopped the same way, whatever they are: engines, services, a test's own processes.

The one rule: **a child is ready or it is gone.** `start` returns a running child; `wait_ready` returns when the probe says yes, and otherwise ends
the child and raises with its last log lines. Whoever wants a child restarted asks `poll` and calls `start` again; nothing here restarts on its own.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from klaster_shared.embedded import tether
from klaster_shared.embedded.errors import EngineError, ExitedEarly, NotReady

LOG_LIMIT = 5 * 1024 * 1024
TAIL_BYTES = 8192
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group a child runs as; only root can choose."""

    user: int
    group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and how it likes to be stopped.

    `environment` is added to the parent's. `clean_exits` are the exit codes that count as a proper end after `stop_signal`
    (a Java process ends with 143 on SIGTERM). `grace` is in seconds; after it the whole process group gets SIGKILL.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    clean_exits: frozenset[int] = frozenset({0})
    grace: float = 15.0


class Child:
    """One process in a group of its own that ends with its parent (see `tether`), however the parent ends."""

    def __init__(self, program: Program, *, kernel_ties: bool = sys.platform == "linux") -> None:
        self.program = program
        self._kernel_ties = kernel_ties
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        if self._process is None:
            raise EngineError(f"{self.program.name} has not been started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self.poll() is None

    def start(self) -> None:
        """Starts the program, again if it ran before. A log that has grown over 5 MiB is set aside as `<log>.1` first.

        Raises EngineError when it runs already, and outside the main thread: the kernel takes the thread for the parent and would end the child
        together with it.
        """
        program = self.program
        if self.running:
            raise EngineError(f"{program.name} runs already (process {self.pid}).")
        if threading.current_thread() is not threading.main_thread():
            raise EngineError(f"{program.name} must be started from the main thread.")
        reader = None if self._kernel_ties else self._new_lifeline()
        try:
            with _rotated(program.log).open("ab") as log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    self._command(reader),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **program.environment},
                    cwd=program.directory,
                    process_group=0,
                    pass_fds=() if reader is None else (reader,),
                )
        finally:
            if reader is not None:
                os.close(reader)

    def poll(self) -> int | None:
        """The exit code of a child that has ended (negative: the signal that ended it), None while it runs or before its first start."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self._drop_lifeline()
        return code

    def wait_ready(self, ready: Callable[[], bool], *, within: float) -> None:
        """Returns when `ready()` is true. Raises ExitedEarly or, after ending the child, NotReady; `within` is in seconds."""
        deadline = time.monotonic() + within
        while True:
            code = self.poll()
            if code is not None:
                raise ExitedEarly(self.program.name, code, self.program.log, self.log_tail())
            if ready():
                return
            if time.monotonic() > deadline:
                self.kill()
                raise NotReady(self.program.name, within, self.program.log, self.log_tail())
            time.sleep(POLL_SECONDS)

    def run(self, *, within: float) -> None:
        """Starts the child and waits for its proper end; raises ExitedEarly on any other end and, after ending it, NotReady when it takes longer."""
        self.start()
        try:
            self.wait_ready(lambda: False, within=within)
        except ExitedEarly as end:
            if end.code not in self.program.clean_exits:
                raise

    def stop(self) -> bool:
        """Ends the child with its own stop signal, after its grace with SIGKILL; True if it ended properly. Harmless when it has ended already."""
        if self._process is None:
            return True
        if self.poll() is None:
            self._process.send_signal(self.program.stop_signal)
            try:
                self._process.wait(self.program.grace)
            except subprocess.TimeoutExpired:
                self.kill()
                return False
        return self.poll() in self.program.clean_exits

    def kill(self) -> None:
        """Ends the whole process group with SIGKILL, as a crash would, and waits for the child's end."""
        if self._process is not None and self.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._drop_lifeline()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines the child has logged since its start, at most 8 kB."""
        try:
            with self.program.log.open("rb") as log:
                log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - TAIL_BYTES))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def _command(self, reader: int | None) -> list[str]:
        account = self.program.account
        return [
            sys.executable,
            "-I",
            "-S",
            tether.__file__,
            str(os.getpid()),
            tether.NOTHING if reader is None else str(reader),
            tether.NOTHING if account is None else str(account.user),
            tether.NOTHING if account is None else str(account.group),
            *self.program.command,
        ]

    def _new_lifeline(self) -> int:
        reader, self._lifeline = os.pipe()
        return reader

    def _drop_lifeline(self) -> None:
        if self._lifeline is not None:
            # A word before the end of file: the watcher must not kill a group number that may be someone else's by now.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._lifeline, b".")
            os.close(self._lifeline)
            self._lifeline = None


def _rotated(log: Path) -> Path:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    return log
