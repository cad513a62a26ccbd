import asyncio
from typing import Any

import httpx
import pytest

from klaster_shared.db.engine import Database

pytestmark = pytest.mark.engines


async def add(client: httpx.AsyncClient, name: str, key: str | None = "key-1", **headers: str) -> httpx.Response:
    given = {"Idempotency-Key": key} if key else {}
    return await client.post("/v1/things", json={"name": name}, headers=given | {k.replace("_", "-"): v for k, v in headers.items()})


async def things(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/v1/things")
    return list(answer.json())


async def kept(database: Database) -> int:
    async with database.connect() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM idempotency_key"))


async def test_a_repeated_request_gets_the_first_answer_and_has_no_second_effect(client: httpx.AsyncClient, service: Any) -> None:
    first = await add(client, "a")
    second = await add(client, "a")
    assert (second.status_code, second.content) == (first.status_code, first.content) == (201, b'{"name":"a","by":"local","run":"1"}')
    for header in ("Location", "ETag", "Content-Type"):
        assert second.headers[header] == first.headers[header]
    assert (second.headers["Idempotency-Replayed"], "Idempotency-Replayed" in first.headers) == ("true", False)
    assert (await things(client), service.runs) == (["a"], 1)


async def test_the_same_key_for_another_request_is_refused(client: httpx.AsyncClient) -> None:
    await add(client, "a")
    answer = await add(client, "b")
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert await things(client) == ["a"]


async def test_while_the_first_is_being_worked_on_the_second_is_told_to_wait(client: httpx.AsyncClient, service: Any) -> None:
    service.gate.clear()
    first = asyncio.create_task(add(client, "a"))
    await asyncio.wait_for(service.inside.wait(), 10)
    second = await add(client, "a")
    service.gate.set()
    assert (second.status_code, second.json()["type"]) == (409, "/problems/idempotency-key-in-progress")
    assert int(second.headers["Retry-After"]) >= 1
    assert (await first).status_code == 201
    assert (await add(client, "a")).headers["Idempotency-Replayed"] == "true"


async def test_many_at_once_have_one_effect(client: httpx.AsyncClient, service: Any) -> None:
    answers = await asyncio.gather(*[add(client, "a") for _ in range(20)])
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert (await things(client), service.runs) == (["a"], 1)


async def test_a_refusal_is_not_kept_but_evaluated_anew(client: httpx.AsyncClient, service: Any, database: Database) -> None:
    assert (await add(client, "forbidden")).status_code == 409
    assert await kept(database) == 0
    service.refusing = False
    assert (await add(client, "forbidden")).status_code == 201


async def test_a_key_belongs_to_its_actor(client: httpx.AsyncClient) -> None:
    one = await add(client, "a", X_Klaster_Actor="one")
    other = await add(client, "b", X_Klaster_Actor="other")
    assert (one.json()["by"], other.json()["by"]) == ("one", "other")


async def test_without_a_key_nothing_is_kept(client: httpx.AsyncClient, database: Database) -> None:
    await add(client, "a", key=None)
    assert await kept(database) == 0


async def test_a_request_that_is_repeated_is_answered_before_its_if_match_is_looked_at(client: httpx.AsyncClient) -> None:
    await add(client, "a")
    headers = {"Idempotency-Key": "move-1", "If-Match": '"1"'}
    first = await client.post("/v1/things/a/move", headers=headers)
    second = await client.post("/v1/things/a/move", headers=headers)
    assert (first.status_code, second.status_code, second.headers["ETag"]) == (200, 200, '"2"')


async def test_two_who_make_the_same_thing_are_one_success_and_one_conflict(client: httpx.AsyncClient, service: Any) -> None:
    service.gate.clear()
    first = asyncio.create_task(add(client, "a", key="one"))
    await asyncio.wait_for(service.inside.wait(), 10)
    second = asyncio.create_task(add(client, "a", key="other"))
    service.gate.set()
    statuses = sorted([(await first).status_code, (await second).status_code])
    assert statuses == [201, 409]


async def test_a_race_without_if_match_is_run_again_and_both_have_their_effect(client: httpx.AsyncClient, service: Any) -> None:
    await add(client, "a")
    answers = await asyncio.gather(*[client.post("/v1/things/a/move") for _ in range(2)])
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3]


async def test_a_race_with_if_match_has_one_winner(client: httpx.AsyncClient, service: Any) -> None:
    await add(client, "a")
    answers = await asyncio.gather(*[client.post("/v1/things/a/move", headers={"If-Match": '"1"'}) for _ in range(5)])
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_an_answer_that_could_not_be_kept_had_no_effect(client: httpx.AsyncClient, database: Database) -> None:
    async with database.connect() as connection:
        await connection.execute("ALTER TABLE idempotency_key ADD CONSTRAINT none CHECK (false) NOT VALID")
        try:
            answer = await add(client, "a")
        finally:
            await connection.execute("ALTER TABLE idempotency_key DROP CONSTRAINT none")
    assert answer.status_code == 422
    assert await things(client) == []
