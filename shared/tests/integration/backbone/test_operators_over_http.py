"""The operator's routes on a real database, from the query to the row and back."""

import json
from collections.abc import AsyncIterator, Callable
from itertools import count
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from klaster_shared.consuming import parking
from klaster_shared.consuming.parking import BEHIND, RawRecord, State, Verdict
from klaster_shared.consuming.positions import Partition
from klaster_shared.contracts.redacting import HIDDEN
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, a_record, an_origin
from klaster_shared.web.admin import admin_routes
from klaster_shared.web.middleware import Correlated
from klaster_shared.web.problems import add_problem_handlers
from klaster_shared.web.testing import client_of

pytestmark = pytest.mark.engines

_offsets = count()
CONTACT = b'{"contact_id": "01980000-0000-7000-8000-000000000001", "name": "Anna", "email": "anna@example.org", "roles": ["head"]}'


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], unique_name: Callable[[str], str]) -> Backbone:
    return new_backbone(unique_name("operators"))


@pytest.fixture
async def client(backbone: Backbone) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.database, app.state.transactions = backbone.database, backbone.transactions
    app.add_middleware(Correlated)
    app.include_router(admin_routes(backbone.office, None))
    add_problem_handlers(app)
    async with client_of(app) as connected:
        connected.headers["X-Klaster-Actor"] = "operator"
        yield connected


async def a_queue(backbone: Backbone, *, reason: str = "not-wanted", type_: str = "NetworkRegistered", value: bytes | None = None) -> UUID:
    """Two messages of one key, the first held."""
    network = new_id()
    for position, name in enumerate(("head", "behind")):
        key, body, headers = a_record(name, network)
        record = RawRecord(
            partition=Partition(backbone.topic, 0),
            offset=next(_offsets),
            logged_at=backbone.clock.now(),
            key=key,
            headers=[(each, f"pl.lifescience.partners.{type_}.v1".encode() if each == "ce_type" else given) for each, given in headers],
            value=value or body,
        )
        async with backbone.transactions.begin(an_origin()) as work:
            await parking.park(
                work.connection,
                backbone.declaration.name,
                record,
                BEHIND if position else Verdict(reason=reason, state=State.HELD),
                message_id=UUID((dict(headers)["ce_id"] or b"").decode()),
                type_=f"pl.lifescience.partners.{type_}.v1",
                now=work.now,
            )
    return network


async def test_messages_are_filtered_by_all_that_is_known_of_them(backbone: Backbone, client: httpx.AsyncClient) -> None:
    network = await a_queue(backbone)
    await a_queue(backbone, reason="rate-missing", type_="ContactAdded")
    parked_at = (await client.get("/admin/parked?limit=1")).json()["items"][0]["parked_at"]
    asked = {
        "consumer": backbone.declaration.name,
        "topic": backbone.topic,
        "key": str(network),
        "type": "NetworkRegistered",
        "reason": "not-wanted",
        "state": "held",
        "since": parked_at,
    }
    found = (await client.get("/admin/parked", params=asked)).json()
    assert [(item["key"], item["state"]) for item in found["items"]] == [(str(network), "held")]
    for odd in ({"key": "x"}, {"type": "Unheard"}, {"reason": "x"}, {"state": "due"}, {"topic": "x"}, {"consumer": "x"}, {"until": parked_at}):
        answer = await client.get("/admin/parked", params=asked | odd)
        assert (answer.status_code, answer.json()["items"]) == (200, []), odd


async def test_what_was_skipped_is_brought_back_from_an_export(backbone: Backbone, client: httpx.AsyncClient) -> None:
    await a_queue(backbone)
    exported = [json.loads(line) for line in (await client.get("/admin/parked/export?payload=true")).text.splitlines()]
    would = await client.post("/admin/parked/skip", json={"wanted": {"reason": "not-wanted"}, "reason": "mistaken", "dry_run": True})
    done = await client.post("/admin/parked/skip", json={"wanted": {"reason": "not-wanted"}, "reason": "mistaken"})
    assert would.json() == done.json() | {"dry_run": True}
    assert (len(done.json()["touched"]), done.json()["waiting"]) == (1, 0)
    taken = await client.post("/admin/parked/import", json={"lines": exported, "reason": "was a mistake"})
    assert taken.json() == {"dry_run": False, "parked": 1, "already_parked": 1, "already_applied": 0}
    acts = (await client.get("/admin/acts")).json()["items"]
    assert [(act["action"], act["actor"], act["reason"]) for act in acts] == [
        ("import", "operator", "was a mistake"),
        ("skip", "operator", "mistaken"),
        ("export", "operator", None),
    ]
    assert acts[0]["message_id"] == acts[1]["message_id"] == exported[0]["message_id"]


async def test_a_body_that_breaks_its_schema_is_shown_without_what_is_personal(backbone: Backbone, client: httpx.AsyncClient) -> None:
    await a_queue(backbone, type_="ContactAdded", value=CONTACT)
    (head, _) = (await client.get("/admin/parked")).json()["items"]
    hidden = await client.get(f"/admin/parked/{head['id']}")
    assert hidden.json()["body"] == json.loads(CONTACT) | {"name": HIDDEN, "email": HIDDEN}
    assert "Anna" not in hidden.text
    shown = (await client.get(f"/admin/parked/{head['id']}?payload=true")).json()
    assert (shown["body"], shown["value_text"]) == (json.loads(CONTACT), CONTACT.decode())


async def test_an_edit_is_checked_before_it_is_taken(backbone: Backbone, client: httpx.AsyncClient) -> None:
    network = await a_queue(backbone)
    (head, behind) = (await client.get("/admin/parked")).json()["items"]
    broken = await client.post(f"/admin/parked/{head['id']}/edit", json={"value": '{"network_id": 7}', "reason": "x"})
    assert (broken.status_code, broken.json()["errors"][0]["field"]) == (422, "value")
    good = json.dumps({"network_id": str(network), "code": "X", "name": "mended"})
    second = await client.post(f"/admin/parked/{behind['id']}/edit", json={"value": good, "reason": "x"})
    assert (second.status_code, second.json()["head"]) == (409, head["id"])
    edited = await client.post(f"/admin/parked/{head['id']}/edit", json={"value": good, "reason": "agreed"})
    assert (edited.status_code, edited.json()["state"], edited.json()["attempts"]) == (200, "due", 0)
