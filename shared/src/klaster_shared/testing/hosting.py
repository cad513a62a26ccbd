"""One engine set per test run, shared by all its workers.

The one rule: **an engine lives in a process of its own that watches the run's first process** and ends, together with its engine, when that one is
gone, however it ended. The worker that needs an engine first starts its host under a file lock; the others find the endpoint it wrote.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock

from klaster_shared.embedded.errors import EngineError
from klaster_shared.testing.waiting import wait_until

type Endpoint = dict[str, str | int]

START_SECONDS = 600.0  # the first run on a machine downloads Kafka
STOP_SECONDS = 60.0
OWNER_LOOK_SECONDS = 0.5


class SharedEngines:
    """The engines of one run: `directory` and `owner`, the process whose life they share, are the same in all workers of a run."""

    def __init__(self, directory: Path, owner: int, kind: str) -> None:
        self.directory = directory
        self.kind = kind
        self._owner = owner

    @classmethod
    def directory_of_new_run(cls) -> Path:
        """A name only; the folder appears with the first engine."""
        return Path(tempfile.gettempdir()) / f"klaster-tests-{os.getpid()}-{time.time_ns():x}"

    def endpoint(self, engine: str) -> Endpoint:
        """How to reach the engine, started now if no worker has asked before. Raises EngineError with its reason if it does not start."""
        self.directory.mkdir(mode=0o711, exist_ok=True)  # PostgreSQL's account passes through
        host = _Host(self.directory, engine)
        with FileLock(self.directory / f"{engine}.lock"):
            if not host.alive():
                host.start(self.kind, self._owner)
            wait_until(lambda: host.answered() or not host.alive(), within=START_SECONDS, what=f"the start of {engine}")
        return host.endpoint()

    def stop(self) -> None:
        """Ends all engines of the run and removes its folder; called once, by the first process of the run."""
        hosts = [_Host(self.directory, file.stem) for file in self.directory.glob("*.pid")]
        for host in hosts:
            host.terminate()
        for host in hosts:
            host.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class _Host:
    """The files by which a run knows the host process of one engine."""

    def __init__(self, run: Path, engine: str) -> None:
        self._run = run
        self._engine = engine
        self._pid_file = run / f"{engine}.pid"
        self._answer = run / f"{engine}.json"
        self._log = run / f"{engine}.log"

    def start(self, kind: str, owner: int) -> None:
        self._answer.unlink(missing_ok=True)
        command = [sys.executable, "-m", __name__, kind, self._engine, str(self._run), str(owner)]
        # Not subprocess.Popen: this process may end long before the host, and nobody here waits for it.
        pid = os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        self._pid_file.write_text(str(pid))

    def alive(self) -> bool:
        process = self._process()
        return process is not None and _runs(process)

    def answered(self) -> bool:
        return self._answer.exists()

    def endpoint(self) -> Endpoint:
        if not self.answered():
            raise EngineError(f"The test engine {self._engine} did not start:", self._log.read_text().strip())
        endpoint: Endpoint = json.loads(self._answer.read_text())
        return endpoint

    def terminate(self) -> None:
        process = self._process()
        if process is not None:
            process.terminate()

    def wait(self) -> None:
        process = self._process()
        if process is not None:
            try:
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()

    def _process(self) -> psutil.Process | None:
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            return psutil.Process(int(self._pid_file.read_text()))
        return None


def host(kind: str, engine: str, run: Path, owner: int) -> None:
    """Runs the engine until SIGTERM, or until the owner is gone; then removes the engine's folder."""
    from klaster_shared.testing.offers import OFFERS  # slow, and of no use in the runs' own processes

    watched = psutil.Process(owner)
    directory = run / engine
    directory.mkdir(mode=0o711, exist_ok=True)
    try:
        with OFFERS[kind][engine](directory) as endpoint:
            partial = run / f"{engine}.json.part"
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(endpoint))
            partial.rename(run / f"{engine}.json")
            while _runs(watched):
                time.sleep(OWNER_LOOK_SECONDS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    # The owner is gone without having stopped us: nobody else cleans up, and other engines of the run may still be ending.
    for file in run.glob(f"{engine}.*"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        run.rmdir()


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main() -> None:
    kind, engine, run, owner = sys.argv[1:]
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is pytest's to hear
    try:
        host(kind, engine, Path(run), int(owner))
    except EngineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
