"""One system for all rows of the short tier: its start costs more than most rows."""

import os
import secrets
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests.chaos.tiers import Arena, embedded_arena

HERE = Path(__file__).parent
LOG_LINES = 30
TEST_SECONDS = 900
ARENA = pytest.StashKey[Arena]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("klaster").addoption("--chaos-seed", type=int, help="the seed of an earlier run of the chaos suite (default: a new one)")


@pytest.fixture(scope="session")
def chaos_seed(request: pytest.FixtureRequest) -> int:
    given = request.config.getoption("--chaos-seed")
    return secrets.randbelow(2**31) if given is None else int(given)


@pytest.fixture(scope="session")
async def arena(request: pytest.FixtureRequest) -> AsyncIterator[Arena]:
    async with embedded_arena() as arena:
        request.config.stash[ARENA] = arena
        yield arena


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure is shown with its seed and with the last lines that each service has logged."""
    report = yield
    arena = item.config.stash.get(ARENA, None)
    if report.failed and arena is not None:
        for log in sorted((arena.system.folder / "logs").rglob("*.log")):
            report.sections.append((f"last lines of {log}", os.linesep.join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])))
    return report
