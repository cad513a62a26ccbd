"""The load keeps its pace, whatever becomes of what it asks for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from klaster_shared.testing.waiting import eventually
from tests.chaos.clients import Clients
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load

GRANT = {"id": "01980000-0000-7000-8000-000000000001"}


class Office:
    """Answers what it is told to; `hold` keeps every answer back."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.keys: list[str] = []
        self.held: asyncio.Event | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        if self.held is not None:
            await self.held.wait()
        status = self.statuses.pop(0) if self.statuses else 201
        if status == 0:
            raise httpx.ReadError("gone")
        return httpx.Response(status, json={"id": str(len(self.keys)), "type": "/problems/idempotency-key-in-progress"})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        yield ledger


def clients_of(office: Office, ledger: Ledger) -> Clients:
    client = httpx.AsyncClient(base_url="http://office", transport=httpx.MockTransport(office))
    return Clients(dict.fromkeys(("partners", "events", "budget"), client), ledger, Random(1))


async def test_a_lost_answer_an_unavailable_service_and_a_command_in_progress_are_asked_again_with_the_same_key(ledger: Ledger) -> None:
    office = Office(0, 503, 409, 500, 201)
    status, _ = await clients_of(office, ledger).post("partners", "/v1/organisations", {})
    assert (status, len(office.keys), len(set(office.keys))) == (201, 5, 1)
    assert ledger.counts == {"acknowledged": 1}


async def test_two_commands_have_two_keys(ledger: Ledger) -> None:
    office = Office()
    clients = clients_of(office, ledger)
    for _ in range(2):
        await clients.post("partners", "/v1/organisations", {})
    assert len(set(office.keys)) == 2


async def test_turns_go_on_while_no_answer_comes(ledger: Ledger) -> None:
    office = Office()
    office.held = asyncio.Event()
    async with Load(clients_of(office, ledger), mix="documents", rate=200.0, run="r", grant=GRANT, random=Random(1)) as load:
        await eventually(lambda: load.turns >= 20)
        assert ledger.counts == {}
        office.held.set()
    assert ledger.counts["acknowledged"] == load.turns
    assert load.failures == []


async def test_a_refused_step_ends_its_story_and_not_the_load(ledger: Ledger) -> None:
    office = Office(422, 422, 422)
    async with Load(clients_of(office, ledger), mix="documents", rate=200.0, run="r", grant=GRANT, random=Random(1)) as load:
        await eventually(lambda: load.turns >= 6)
    assert ledger.counts["refused"] == 3
    assert load.failures == []
