"""Registrations over HTTP."""

from typing import Any

import pytest
from httpx import AsyncClient, Response

from klaster_events.domain.ids import EventId
from klaster_events.testing import Commands
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines


async def register(client: AsyncClient, event: EventId, email: str = "zin-member-01@example.org", **changed: Any) -> Response:
    return await client.post(f"/v1/events/{event}/registrations", json={"name": "ZIN member 01", "email": email, "locale": "pl", **changed})


async def withdraw(client: AsyncClient, registration: str, **headers: str) -> Response:
    return await client.post(f"/v1/registrations/{registration}/withdraw", headers=headers)


async def test_who_comes_while_a_seat_is_free_is_confirmed(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published()

    answer = await register(client, event, "  ZIN-Member-01@Example.org ")

    body = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert answer.headers["location"] == f"/v1/registrations/{body['id']}"
    assert (body["status"], body["position"], body["email"]) == ("confirmed", None, "zin-member-01@example.org")
    assert (await client.get(answer.headers["location"])).json() == body


async def test_who_comes_later_waits_and_moves_up(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published(capacity=1)
    first, second, third = [(await register(client, event, f"person-{number}@example.org")).json() for number in range(3)]

    assert [(each["status"], each["position"]) for each in (second, third)] == [("waitlisted", 1), ("waitlisted", 2)]
    answer = await withdraw(client, first["id"])

    assert (answer.status_code, answer.headers["etag"], answer.json()["status"]) == (200, '"2"', "withdrawn")
    listed = (await client.get(f"/v1/events/{event}/registrations")).json()["items"]
    assert [(each["status"], each["position"]) for each in listed] == [("withdrawn", None), ("confirmed", None), ("waitlisted", 1)]
    shown = (await client.get(f"/v1/events/{event}")).json()
    assert (shown["confirmed"], shown["waiting"]) == (1, 1)


async def test_a_list_may_be_asked_for_one_status(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published(capacity=1)
    for number in range(3):
        await register(client, event, f"person-{number}@example.org")

    listed = (await client.get(f"/v1/events/{event}/registrations?status=waitlisted&limit=1")).json()

    assert [each["position"] for each in listed["items"]] == [1]
    assert listed["next"]


async def test_a_cancelled_event_takes_nobody(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published()
    await commands.cancel(event)

    answer = await register(client, event)

    assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (409, "/problems/event-not-open", "cancelled")


async def test_an_address_registers_once_and_the_refusal_does_not_repeat_it(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published()
    await register(client, event, "a@example.org")

    answer = await register(client, event, "A@example.ORG")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/already-registered")
    assert "example" not in answer.text


async def test_whoever_withdrew_may_register_again(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published()
    await withdraw(client, (await register(client, event)).json()["id"])

    assert (await register(client, event)).json()["status"] == "confirmed"


async def test_a_second_withdrawal_is_a_409(client: AsyncClient, commands: Commands) -> None:
    registration = (await register(client, await commands.published())).json()["id"]
    await withdraw(client, registration)

    answer = await withdraw(client, registration)

    assert (answer.status_code, answer.json()["state"]) == (409, "withdrawn")


async def test_a_withdrawal_after_completion_is_a_409(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published()
    registration = (await register(client, event)).json()["id"]
    await commands.complete(event)

    answer = await withdraw(client, registration)

    assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (409, "/problems/withdrawal-closed", "completed")


async def test_a_withdrawal_of_another_version_is_a_412(client: AsyncClient, commands: Commands) -> None:
    registration = (await register(client, await commands.published())).json()["id"]

    assert (await withdraw(client, registration, **{"If-Match": '"2"'})).status_code == 412
    assert (await withdraw(client, registration, **{"If-Match": '"1"'})).status_code == 200


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"email": "nobody"}, "email"),
        ({"email": 5}, "email"),
        ({"locale": "fr"}, "locale"),
        ({"organisation_id": "klaster"}, "organisation_id"),
        ({"status": "confirmed"}, "status"),
    ],
)
async def test_a_field_that_cannot_be_used_is_a_422_that_names_it(
    client: AsyncClient, commands: Commands, changed: dict[str, Any], field: str
) -> None:
    answer = await register(client, await commands.published(), **changed)

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize("path", ["/v1/registrations/{}", "/v1/registrations/{}/withdraw", "/v1/events/{}/registrations"])
async def test_what_is_not_there_is_a_404(client: AsyncClient, path: str) -> None:
    known = path.format(new_id())
    body = {"name": "ZIN member 01", "email": "a@example.org", "locale": "pl"} if known.endswith("registrations") else None

    answer = await client.get(known) if known.count("/") == 3 else await client.post(known, json=body)

    assert answer.status_code == 404
