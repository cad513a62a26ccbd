"""The order of a start. The parts only note that they were started; the migrations are real processes."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from klaster_local.configuration import SERVICES
from klaster_local.supervising import startup
from klaster_local.supervising.record import StackRecord
from klaster_local.supervising.startup import Startup
from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.supervision import Program


class Journal:
    """What happened, in order."""

    def __init__(self, log: Path, *, failing_migration: str = "") -> None:
        self.entries: list[str] = []
        self.record = StackRecord(supervisor=1, started_at=datetime(2026, 1, 1, tzinfo=UTC))
        self._log = log
        self._failing = failing_migration
        access = SimpleNamespace(provide=lambda _: self.entries.append("databases"))
        self.blueprint: Any = SimpleNamespace(postgres=SimpleNamespace(access=access), databases=list, migration=self.migration)
        self.parts: Any = {name: SimpleNamespace(start=self.starter(name)) for name in ("postgres", "kafka", "mail", *SERVICES)}

    def starter(self, name: str) -> Any:
        async def start() -> None:
            self.entries.append(name)

        return start

    def migration(self, service: str) -> Program:
        self.entries.append(f"migrate {service}")
        code = "raise SystemExit('a table is in use')" if service == self._failing else ""
        return Program(name=f"The migration of {service}", command=(sys.executable, "-I", "-c", code), log=self._log)

    async def run(self) -> None:
        start = Startup(self.blueprint, self.parts, self.record, changed=lambda: None, apply_topics=lambda: self.entries.append("topics"))
        await start.run()


@pytest.fixture(autouse=True)
def _no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "install", lambda *_: ())


async def test_no_service_starts_before_its_tables_and_the_topics_are_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log")
    await journal.run()
    first_service = min(journal.entries.index(name) for name in SERVICES)
    before = journal.entries[:first_service]
    assert {*before} == {"postgres", "kafka", "mail", "databases", "topics", *(f"migrate {name}" for name in SERVICES)}
    assert before.index("postgres") < before.index("databases") < before.index("migrate events")
    assert before.index("kafka") < before.index("topics")


async def test_every_phase_is_timed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log")
    await journal.run()
    assert {phase.name for phase in journal.record.phases} >= {"PostgreSQL", "Kafka", "mail sink", "databases", "migrations", "topics", "services"}
    assert all(phase.seconds is not None for phase in journal.record.phases)


async def test_a_migration_that_fails_ends_the_start_with_the_end_of_its_log(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", failing_migration="budget")
    with pytest.raises(EngineError, match=r"The migration of budget failed \(exit code 1\)") as failure:
        await journal.run()
    assert "a table is in use" in failure.value.details
    assert not {*journal.entries} & {*SERVICES}
