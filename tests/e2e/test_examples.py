"""The examples of docs/integrating do what their pages say, and the pages show them as they are."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from klaster_shared.contracts.registry import all_messages
from klaster_shared.contracts.topics import INBOUND_ACCOUNTING, TOPICS
from klaster_shared.testing.desk import EFFECT_SECONDS, Desk, a_code, money
from klaster_shared.testing.processes import Stack
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

PAGES = Path(__file__).parents[2] / "docs" / "integrating"
SHOWN = re.compile(r"<!-- (examples/\S+) -->\n```python\n(.*?)```\n", re.DOTALL)
SCRIPT_SECONDS = 60

type Settled = Callable[[], Awaitable[Any]]


def run(stack: Stack, script: str, *arguments: str) -> str:
    """What the script says; it must succeed. Addresses are given as an installation would give them."""
    addresses = {f"KLASTER_{name.upper()}_URL": url for name, url in stack.addresses.items()} | {"KLASTER_KAFKA_SERVERS": stack.kafka_servers}
    command = [sys.executable, str(PAGES / "examples" / script), *arguments]
    done = subprocess.run(command, env={**os.environ, **addresses}, capture_output=True, text=True, timeout=SCRIPT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pages_show_every_example_as_it_is() -> None:
    shown = [pair for page in PAGES.glob("*.md") for pair in SHOWN.findall(page.read_text(encoding="utf-8"))]
    examples = {f"examples/{path.name}": path.read_text(encoding="utf-8") for path in (PAGES / "examples").glob("*.py")}
    assert sorted(name for name, _ in shown) == sorted(examples)
    assert {name: text for name, text in shown if text != examples[name]} == {}


def test_the_page_for_readers_lists_every_topic_with_its_key_and_its_types() -> None:
    rows = re.findall(r"^\| `(klaster\.\S+)` \| (\w+) \| (.+) \|$", (PAGES / "consuming.md").read_text(encoding="utf-8"), re.MULTILINE)
    types = {topic.name: [kind.name for kind in all_messages() if kind.topic == topic.name] for topic in TOPICS.values()}
    listed = {(name, key): sorted(names.split(", ")) for name, key, names in rows}
    assert listed == {(topic.name, topic.key): sorted(types[topic.name]) for topic in TOPICS.values() if topic.name != INBOUND_ACCOUNTING}


async def test_the_published_invoice_becomes_an_expenditure(stack: Stack, desk: Desk) -> None:
    grant, number = await desk.grant(workshops="1000.00"), a_code("FV")
    run(stack, "publish_invoice.py", grant["code"], "workshops", "123.45", "PLN", number, "Printing house", "2011-10-07")

    async def declared() -> bool:
        return [(each["document"]["number"], each["amount"]) for each in await desk.expenditures(grant)] == [(number, money("123.45"))]

    await eventually(declared, within=EFFECT_SECONDS)


async def test_the_follower_has_the_commitments_that_budget_has_also_when_it_reads_everything_again(
    stack: Stack, desk: Desk, settled: Settled, tmp_path: Path
) -> None:
    grant = await desk.grant(workshops="1000.00")
    kept, cancelled, refused = [await desk.approved(grant, costs={"workshops": amount}) for amount in ("100.00", "200.00", "5000.00")]
    await settled()
    await desk.cancel(cancelled["id"])
    await settled()
    expected = {kept["id"]: "reserved", cancelled["id"]: "released", refused["id"]: "refused"}
    assert {event: status for event, status in followed(stack, tmp_path / "commitments.sqlite").items() if event in expected} == expected
    assert followed(stack, tmp_path / "commitments.sqlite").items() >= expected.items()


def followed(stack: Stack, file: Path) -> dict[str, str]:
    """Event → status of its commitment, as the example has stored it."""
    run(stack, "follow_commitments.py", str(file), "--until-end")
    with sqlite3.connect(file) as database:
        found = dict(database.execute("SELECT event, status FROM commitment"))
    database.close()
    return found


async def test_the_http_client_makes_one_draft_and_moves_it(stack: Stack, desk: Desk) -> None:
    name = a_code("Biopark")
    said = run(stack, "talk_http.py", name)
    assert said.splitlines()[1] == f"{name} has 1 draft, in Tartu, Biopark"
    assert said.startswith("409 /problems/transition-refused")
    assert len(await desk.items("partners", "/v1/organisations", q=name)) == 1
