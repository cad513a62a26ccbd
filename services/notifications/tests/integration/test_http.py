from typing import Any

import pytest
from httpx import AsyncClient

from klaster_notifications import bootstrap
from klaster_notifications.domain.dispatch import Answer, Dispatch, Verdict
from klaster_notifications.domain.ids import DeliveryId
from klaster_notifications.testing import NOON, a_confirmation, a_place_in_line, hear
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin

pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("empty")]

ORIGIN = Origin(actor="test", correlation_id="flow", causation_id="command")


async def arrive(parts: bootstrap.Parts, message: Message) -> Envelope:
    async with parts.transactions.begin(ORIGIN) as work:
        return await hear(work, message)


async def listed(client: AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/deliveries{query}")
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_delivery_says_to_whom_what_and_why(parts: bootstrap.Parts, client: AsyncClient) -> None:
    message = a_confirmation(email=" ZIN-Member-01@Example.org", locale="en")
    envelope = await arrive(parts, message)

    (delivery,) = await listed(client)

    version = parts.letters.template("registration_confirmed").version
    assert delivery == {
        "id": delivery["id"],
        "recipient_id": str(message.registration_id),
        "recipient_kind": "registrant",
        "recipient": "zin-member-01@example.org",
        "channel": "email",
        "locale": "en",
        "subject": "Your place is confirmed: Innovativeness and cooperation within international cooperation networks",
        "status": "queued",
        "attempts": 0,
        "last_failure": None,
        "next_attempt_at": "2011-09-01T12:00:00Z",
        "reason": None,
        "cause": {"id": envelope.id, "type": envelope.type},
        "rule": "registration-confirmed",
        "template": {"name": "registration_confirmed", "version": version},
        "queued_at": "2011-09-01T12:00:00Z",
        "settled_at": None,
    }


async def test_a_delivery_is_found_by_its_id_with_its_version(parts: bootstrap.Parts, client: AsyncClient) -> None:
    await arrive(parts, a_confirmation())
    (delivery,) = await listed(client)

    answer = await client.get(f"/v1/deliveries/{delivery['id']}")

    assert (answer.json(), answer.headers["ETag"]) == (delivery, '"1"')


async def test_attempts_are_shown(parts: bootstrap.Parts, client: AsyncClient) -> None:
    await arrive(parts, a_confirmation())
    (delivery,) = await listed(client)
    dispatch = Dispatch(delivery=DeliveryId(delivery["id"]), due_at=NOON)
    dispatch.attempted(Answer(Verdict.DEFERRED, "smtp-451"), at=NOON, most=5)
    async with parts.transactions.begin(ORIGIN) as work:
        await work.dispatches.save(dispatch)

    (delivery,) = await listed(client)

    assert (delivery["attempts"], delivery["last_failure"], delivery["next_attempt_at"]) == (1, "smtp-451", "2011-09-01T12:00:01Z")


async def test_a_suppressed_delivery_has_its_reason_and_two_facts(parts: bootstrap.Parts, client: AsyncClient) -> None:
    await arrive(parts, a_confirmation(email="no mailbox"))

    (delivery,) = await listed(client, "?status=suppressed")

    answer = await client.get(f"/v1/deliveries/{delivery['id']}")
    assert (delivery["reason"], delivery["attempts"], delivery["next_attempt_at"], answer.headers["ETag"]) == ("invalid-address", 0, None, '"2"')


async def test_deliveries_are_filtered_by_recipient_cause_and_status(parts: bootstrap.Parts, client: AsyncClient) -> None:
    message = a_confirmation()
    envelope = await arrive(parts, message)
    await arrive(parts, a_place_in_line())

    for query in (f"?recipient_id={message.registration_id}", f"?cause={envelope.id}", f"?cause={envelope.id}&status=queued"):
        assert [delivery["cause"]["id"] for delivery in await listed(client, query)] == [envelope.id]
    assert await listed(client, "?status=sent") == []
    assert await listed(client, f"?cause={new_id()}") == []
    assert len(await listed(client, "?status=queued")) == 2


async def test_deliveries_are_read_page_by_page(parts: bootstrap.Parts, client: AsyncClient) -> None:
    for _ in range(5):
        await arrive(parts, a_confirmation())
    everything = [delivery["id"] for delivery in await listed(client)]

    pages, following = [], "/v1/deliveries?limit=2"
    while following:
        answer = await client.get(following)
        pages.append([delivery["id"] for delivery in answer.json()["items"]])
        following = answer.links["next"]["url"] if "next" in answer.links else ""

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [identifier for page in pages for identifier in page] == everything == sorted(everything)


@pytest.mark.parametrize("query", ["status=lost", "recipient_id=1", "cause=1", "limit=0", "limit=201", "cursor=beginning"])
async def test_a_filter_that_cannot_be_used_is_named(client: AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/deliveries?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, query.split("=", maxsplit=1)[0])


async def test_an_unknown_delivery_is_not_found(client: AsyncClient) -> None:
    assert (await client.get(f"/v1/deliveries/{new_id()}")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/deliveries", "/v1/rules", "/v1/templates"])
async def test_nothing_is_written_over_http(client: AsyncClient, path: str) -> None:
    assert (await client.post(path, json={})).status_code == 405
