"""What a run has shown, as data: the page is written from it, and nothing is in the page that is not here."""

import json
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

from klaster_shared.embedded.postgres import MAJOR

CATEGORIES: Final = ("lost", "duplicated", "reordered", "stuck", "unexplained")
LIBRARIES: Final = ("faststream", "aiokafka", "asyncpg", "sqlalchemy", "fastapi", "confluent-kafka")

type Figure = float | int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of one run. `verdict`: category → findings; `checks`: invariant → kept; `load`: what was asked of the system."""

    row: str
    fault: str
    tier: str
    seed: int
    began: str
    seconds: float
    injections: int
    reached: int
    verdict: Mapping[str, int]
    checks: Mapping[str, bool]
    figures: Mapping[str, Figure]
    load: Mapping[str, Figure]
    findings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.injections > 0 and self.reached == self.injections and not any(self.verdict.values()) and all(self.checks.values())

    def complaints(self) -> list[str]:
        """Why it has not passed, in words."""
        found = [f"{self.row}: {name} {count}" for name, count in self.verdict.items() if count]
        found += [f"{self.row}: not kept: {name}" for name, kept in self.checks.items() if not kept]
        if not self.injections or self.reached != self.injections:
            found.append(f"{self.row}: {self.reached} of {self.injections} injections reached")
        return [*found, *self.findings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where figures come from; without it they are worth nothing."""

    cores: int
    memory_gib: float
    system: str
    python: str
    versions: Mapping[str, str]
    commit: str

    @classmethod
    def this(cls, root: Path) -> "Machine":
        return cls(
            cores=psutil.cpu_count() or 1,
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            system=f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
            python=platform.python_version(),
            versions={"Apache Kafka": "4.3.1", "PostgreSQL": str(MAJOR), **{library: version(library) for library in LIBRARIES}},
            commit=_commit(root),
        )


@dataclass(slots=True, kw_only=True)
class Record:
    """The file that the page is made of: the newest result of each row, and of each peer under each fault."""

    machine: Mapping[str, Any] = field(default_factory=dict)
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    peers: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """An empty one where there is no file."""
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else cls()

    def add(self, results: Iterable[Result], machine: Machine) -> None:
        """`commit` goes with each row: rows of one file may come from several runs."""
        self.machine = {name: value for name, value in asdict(machine).items() if name != "commit"}
        for result in results:
            self.rows[result.row] = {**asdict(result), "commit": machine.commit, "passed": result.passed}

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` per cent of the values do not exceed; 0 of nothing."""
    ordered = sorted(values)
    return 0.0 if not ordered else ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(share * 10) // 1000) - 1))]


def spread(values: Iterable[float], stem: str) -> dict[str, Figure]:
    """Median, 99th percentile and largest of seconds, as figures."""
    given = list(values)
    if not given:
        return {}
    marks = {"p50": percentile(given, 50), "p99": percentile(given, 99), "max": max(given)}
    return {f"{stem} {name} (s)": round(value, 3) for name, value in marks.items()}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _commit(root: Path) -> str:
    """The commit, with a `+` when the tree differs from it; "unknown" outside a checkout."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return f"{head}+" if _git(root, "status", "--porcelain") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    found = shutil.which("git") or "git"
    return subprocess.run([found, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
