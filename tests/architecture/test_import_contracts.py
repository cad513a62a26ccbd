"""The directions of imports hold, and each contract is shown to fail on a planted violation: a contract that cannot fail protects nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("shared/src", "deploy/local/src", "services/partners/src", "services/events/src", "services/budget/src", "services/notifications/src")

VIOLATIONS = {
    "layers inside every service": ("klaster_partners/domain/planted.py", "import klaster_partners.application"),
    "services know nothing of each other": ("klaster_budget/application/planted.py", "import klaster_events.domain"),
    "shared knows no service": ("klaster_shared/db/planted.py", "import klaster_partners.domain"),
    "the local stack talks to services through HTTP, Kafka and their command lines": ("klaster_local/planted.py", "import klaster_budget.domain"),
    "domains are free of I/O": ("klaster_events/domain/planted.py", "import sqlalchemy"),
    "contracts stand on pydantic and the standard library alone": ("klaster_shared/contracts/planted.py", "import orjson"),
    "what tests bring is not what services run": ("klaster_partners/adapters/planted.py", "import klaster_shared.embedded.postgres"),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(root / source) for source in SOURCES), "COLUMNS": "200"}
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for source in SOURCES:
        shutil.copytree(ROOT / source, root / source, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_every_contract_is_kept() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_contract_fails_on_its_planted_violation(copy: Path) -> None:
    for source in SOURCES:
        for path, text in VIOLATIONS.values():
            if (copy / source / path).parent.is_dir():
                (copy / source / path).write_text(f"{text}\n")
    result = lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    verdicts = {line.rsplit(maxsplit=1)[0]: line.rsplit(maxsplit=1)[-1] for line in result.stdout.splitlines() if line.endswith((" BROKEN", " KEPT"))}
    assert verdicts == dict.fromkeys(VIOLATIONS, "BROKEN")
