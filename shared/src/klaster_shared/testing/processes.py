"""The four services as real processes, for suites that need more than one of them.

The one rule: a process counts as started only when it is ready **and** its relay and consumers are at work. Every process ends with the test run
(see `klaster_shared.embedded.supervision`), and all logs are kept together: a failure in one service usually shows in another.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.request import urlopen

from klaster_shared.embedded.errors import ExitedEarly
from klaster_shared.embedded.ports import LOOPBACK, free_port
from klaster_shared.embedded.supervision import Child, Program
from klaster_shared.testing.mail import MailSink
from klaster_shared.testing.waiting import wait_until

SERVICES: Final = ("partners", "events", "budget", "notifications")
START_SECONDS: Final = 180.0
"""Generous: eight interpreters start at once, perhaps on two cores that are busy with other suites."""
ANSWER_SECONDS: Final = 2.0

type Environment = Mapping[str, str]


class ServiceProcess:
    """One service: its own command line, run by this interpreter, configured by environment variables alone."""

    def __init__(self, name: str, environment: Environment, logs: Path, *, roles: Sequence[str] = ()) -> None:
        """`roles`: what it does, as `serve --only` calls it; without any, everything."""
        self.name = name
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._environment = {**environment, f"{name.upper()}_HTTP_PORT": str(self.port)}
        self._only = tuple(word for role in roles for word in ("--only", role))
        self._logs = logs
        self._serving = self._child("serve", self._environment, *self._only)

    def replica(self, *roles: str) -> "ServiceProcess":
        """A further process of the same service, on the same database; not started."""
        return ServiceProcess(self.name, self._environment, self._logs, roles=roles)

    @property
    def pid(self) -> int:
        return self._serving.pid

    @property
    def running(self) -> bool:
        return self._serving.running

    @property
    def exit_status(self) -> int | None:
        """Of a process that has ended; negative: the signal that ended it."""
        return self._serving.poll()

    @property
    def log(self) -> Path:
        return self._serving.program.log

    def begin_migration(self) -> Callable[[], None]:
        """Starts the migration; the returned function waits for it, and raises ExitedEarly when it failed."""
        child = self._child("migrate", self._environment)
        child.start()

        def finish() -> None:
            code = wait_until(lambda: (code := child.poll()) is not None and (code,), within=START_SECONDS, what=f"migration of {self.name}")
            if code != (0,):
                raise ExitedEarly(child.program.name, child.poll() or 0, child.program.log, child.log_tail())

        return finish

    def tell(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command of the service's command line, in the service's environment, to its end; what it printed is text."""
        command = (sys.executable, "-m", f"klaster_{self.name}", *words)
        return subprocess.run(command, env={**os.environ, **self._environment}, capture_output=True, text=True, check=False, timeout=START_SECONDS)

    def begin(self, **environment: str) -> None:
        """Starts the process and does not wait for it; `environment` wins over the one given at first, for this start."""
        self._serving = self._child("serve", self._environment | environment, *self._only)
        self._serving.start()

    def wait(self) -> None:
        """Until it is at work. Raises EngineError with the last lines of its log."""
        self._serving.wait_ready(self.at_work, within=START_SECONDS)

    def start(self, **environment: str) -> None:
        self.begin(**environment)
        self.wait()

    def stop(self) -> bool:
        """True if it ended properly."""
        return self._serving.stop()

    def ask_to_stop(self) -> None:
        """As a platform does; it goes on for as long as it has something in hand."""
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """As `kill -9` does."""
        self._serving.kill()

    def restart(self, **environment: str) -> None:
        self.stop()
        self.start(**environment)

    def freeze(self) -> None:
        """As a machine that hangs: sockets stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @contextmanager
    def configured(self, **environment: str) -> Iterator[None]:
        """Runs with other settings for a while."""
        self.restart(**environment)
        try:
            yield
        finally:
            self.restart()

    def report(self) -> dict[str, Any]:
        """What `/readyz` says once it says 200; empty before."""
        try:
            with urlopen(f"http://{LOOPBACK}:{self.port}/readyz", timeout=ANSWER_SECONDS) as answer:
                report: dict[str, Any] = json.load(answer)
        except OSError:  # nobody listens yet, or HTTPError: it listens and is not ready
            return {}
        return report

    def at_work(self) -> bool:
        """Ready, and every component well: the relay leads, each consumer has joined its group and owns partitions."""
        report = self.report()
        return bool(report) and all(_at_work(component) for component in report["components"])

    def _child(self, command: str, environment: Environment, *arguments: str) -> Child:
        name = f"klaster-{self.name} {command}"
        log = self._logs / f"{self.name}.log"
        return Child(
            Program(name=name, command=(sys.executable, "-m", f"klaster_{self.name}", command, *arguments), environment=environment, log=log)
        )


def _at_work(component: Mapping[str, Any]) -> bool:
    return bool(component["ok"] and component.get("leader", True) and component.get("partitions", 1))


class Stack:
    """The services together, each with its own database. A context manager: inside it all of them are at work."""

    def __init__(self, *, databases: Mapping[str, str], kafka_servers: str, mail: MailSink, logs: Path) -> None:
        """`databases`: service → URL of an empty database."""
        shared = {"KLASTER_KAFKA_SERVERS": kafka_servers}
        mailing = {"NOTIFICATIONS_SMTP_HOST": mail.host, "NOTIFICATIONS_SMTP_PORT": str(mail.port)}
        self.kafka_servers = kafka_servers
        self.services = {
            name: ServiceProcess(name, shared | {f"{name.upper()}_DATABASE_URL": url} | (mailing if name == "notifications" else {}), logs)
            for name, url in databases.items()
        }

    def __enter__(self) -> Self:
        try:
            for finish in [service.begin_migration() for service in self.services.values()]:
                finish()
            for service in self.services.values():
                service.begin()
            for service in self.services.values():
                service.wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, service: str) -> ServiceProcess:
        return self.services[service]

    @property
    def addresses(self) -> dict[str, str]:
        return {name: service.url for name, service in self.services.items()}

    def close(self) -> None:
        for service in self.services.values():
            if service.running:
                service.thaw()
                service.stop()
