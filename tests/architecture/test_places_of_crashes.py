"""The named places of death: each stands in the product once, and no image can be armed."""

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from klaster_shared.crash_points import CrashPoint
from klaster_shared.testing.crashing import AT, LOG

ROOT = Path(__file__).parents[2]
PRODUCT = [ROOT / "shared/src/klaster_shared", *ROOT.glob("services/*/src")]


def reached_in(source: str) -> Iterator[str]:
    """Names of the members in calls `reached(CrashPoint.NAME)`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name("reached"), args=[ast.Attribute(value=ast.Name("CrashPoint"), attr=name)]):
                yield name


def modules() -> Iterator[Path]:
    for folder in PRODUCT:
        yield from (module for module in folder.rglob("*.py") if "testing" not in module.parts)


def test_each_crash_point_is_reached_at_exactly_one_place() -> None:
    """A point that nobody reaches proves nothing, and one in two places does not say where a process died. Who moves the code around a
    point moves the call; a new place gets a name of its own.
    """
    assert Counter(name for module in modules() for name in reached_in(module.read_text())) == {point.name: 1 for point in CrashPoint}


def closure(package: str, locked: dict[str, dict[str, object]]) -> set[str]:
    """What `uv sync --no-dev --package …` installs, extras only where a dependency asks for them."""
    found: set[str] = set()
    pending: list[tuple[str, tuple[str, ...]]] = [(package, ())]
    while pending:
        name, extras = pending.pop()
        entry = locked[name]
        optional = entry.get("optional-dependencies", {})
        assert isinstance(optional, dict)
        wanted = [*entry.get("dependencies", []), *(each for extra in extras for each in optional.get(extra, []))]  # type: ignore[misc]
        new = [(each["name"], tuple(each.get("extra", ()))) for each in wanted if each["name"] not in found]
        found |= {name for name, _ in new}
        pending += new
    return found


@pytest.mark.parametrize("service", ["partners", "events", "budget", "notifications"])
def test_no_service_image_holds_what_arming_asks_for(service: str) -> None:
    """`klaster_shared.testing.crashing` refuses to arm where pytest cannot be found; the images install no extra and no group."""
    locked = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    installed = closure(f"klaster-{service}", locked)
    assert "klaster-shared" in installed
    assert "pytest" not in installed
    assert all("--no-dev" in line and "--extra" not in line for line in sync_commands(service))


def sync_commands(service: str) -> list[str]:
    lines = (ROOT / "services" / service / "Dockerfile").read_text().splitlines()
    return [line for line in lines if "uv sync" in line]


def test_where_tests_cannot_run_no_process_can_be_armed(tmp_path: Path) -> None:
    environment = {AT: "after_send", LOG: str(tmp_path / "log"), "PARTNERS_DATABASE_URL": "postgresql://nowhere/nothing"}
    program = "import sys; sys.modules['pytest'] = None; sys.argv = ['klaster-partners', 'serve']; from klaster_partners.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"{AT} is for test builds" in ended.stderr.splitlines()[-1]
