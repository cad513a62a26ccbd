import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[5]
NOWHERE = {f"{name}_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing" for name in ("PARTNERS", "EVENTS", "BUDGET", "NOTIFICATIONS")}


def verify(state: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KLASTER_", *(each.partition("_")[0] for each in NOWHERE)))}
    given = {**kept, "KLASTER_CHECKOUT": str(CHECKOUT), "KLASTER_STATE_DIR": str(state), **environment}
    return subprocess.run([sys.executable, "-m", "klaster_local", "verify"], env=given, capture_output=True, text=True, check=False)


def test_where_nothing_runs_it_says_what_it_needs(tmp_path: Path) -> None:
    refused = verify(tmp_path)
    assert refused.returncode == 2
    assert "No stack runs here" in refused.stderr


def test_what_cannot_be_read_is_no_finding(tmp_path: Path) -> None:
    refused = verify(tmp_path, **NOWHERE)
    assert refused.returncode == 2
    assert "The database of partners cannot be read" in refused.stderr
