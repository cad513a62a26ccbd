"""Events over HTTP: the whole way, what is refused and by which state, lists and the calendar file."""

from typing import Any

import pytest
from httpx import AsyncClient, Response
from icalendar import Calendar

from klaster_events.domain.ids import EventId
from klaster_events.testing import Commands, a_cost
from klaster_shared.ids import new_id

pytestmark = pytest.mark.engines

UNKNOWN = new_id()


def a_body(**changed: Any) -> dict[str, Any]:
    return {
        "title": {"pl": "Warsztat ekspercki", "en": "Expert workshop"},
        "kind": "workshop",
        "public": True,
        "host_organisation_id": str(new_id()),
        "place": "Kraków",
        "country": "PL",
        "starts_at": "2011-09-12T09:00:00+02:00",
        "ends_at": "2011-09-12T17:00:00+02:00",
        "time_zone": "Europe/Warsaw",
        "capacity": 20,
        **changed,
    }


COST: dict[str, Any] = {"line_code": "2.1", "amount": {"amount": "1200.00", "currency": "PLN"}}
COSTS: dict[str, Any] = {"grant_id": str(new_id()), "costs": [COST]}


async def drafted(client: AsyncClient, **changed: Any) -> dict[str, Any]:
    answer = await client.post("/v1/events", json=a_body(**changed))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def step(client: AsyncClient, event: str, transition: str, **body: Any) -> Response:
    return await client.post(f"/v1/events/{event}/{transition}", json=body or None)


async def test_a_new_event_is_answered_as_a_draft_with_its_place_and_version(client: AsyncClient) -> None:
    answer = await client.post("/v1/events", json=a_body(**COSTS))

    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/events/{body['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (body["status"], body["financing"], body["confirmed"], body["waiting"]) == ("draft", "none", 0, 0)
    assert (body["starts_at"], body["time_zone"]) == ("2011-09-12T07:00:00Z", "Europe/Warsaw")
    assert body["costs"] == COSTS["costs"]


async def test_what_was_answered_is_what_is_read(client: AsyncClient) -> None:
    made = await drafted(client, **COSTS)

    read = await client.get(f"/v1/events/{made['id']}")

    assert read.json() == made
    assert read.headers["etag"] == '"1"'


async def test_an_event_without_costs_goes_all_the_way(client: AsyncClient) -> None:
    event = (await drafted(client))["id"]

    answers = [await step(client, event, transition) for transition in ("submit", "approve", "publish", "complete")]

    assert [answer.json()["status"] for answer in answers] == ["submitted", "approved", "published", "completed"]
    assert [answer.headers["etag"] for answer in answers] == ['"2"', '"3"', '"4"', '"5"']


async def test_an_approval_with_costs_shows_what_is_waited_for(client: AsyncClient) -> None:
    event = (await drafted(client, **COSTS))["id"]
    await step(client, event, "submit")

    body = (await step(client, event, "approve")).json()

    assert body["financing"] == "pending"
    assert body["approval"] | {"id": None} == {
        "id": None,
        "approved_by": "local",
        "approved_at": "2011-04-04T12:00:00Z",
        "deadline": "2011-04-04T12:05:00Z",
    }


async def test_a_refusal_is_shown_with_every_short_line(client: AsyncClient, commands: Commands) -> None:
    event = await commands.approved(a_cost())
    await commands.refused(event, await commands.current_approval(event))

    body = (await client.get(f"/v1/events/{event}")).json()

    assert (body["status"], body["financing"]) == ("draft", "refused")
    assert body["refusal"] == {"reason": "insufficient", "line_code": "2.1", "short_by": {"amount": "100.00", "currency": "PLN"}, "shortfalls": []}


async def test_every_approval_is_shown_with_what_became_of_it(client: AsyncClient, commands: Commands) -> None:
    event = await commands.approved(a_cost())
    overdue = await commands.current_approval(event)
    await commands.falls_due(event, overdue)
    refused = await commands.approve(event)
    await commands.refused(event, refused)
    await commands.released(event, overdue)

    answer = await client.get(f"/v1/events/{event}/approvals", params={"limit": 1})
    (first,) = answer.json()["items"]
    (second,) = (await client.get(f"/v1/events/{event}/approvals", params={"cursor": answer.json()["next"]})).json()["items"]

    assert answer.status_code == 200
    assert first == {
        "id": str(overdue),
        "approved_by": "office",
        "approved_at": "2011-04-04T12:00:00Z",
        "deadline": "2011-04-04T12:05:00Z",
        "outcome": "overdue",
        "refusal": {"reason": "overdue", "line_code": None, "short_by": None, "shortfalls": []},
        "closed_at": "2011-04-04T12:00:00Z",
        "answered_at": None,
        "release": {"at": "2011-04-04T12:00:00Z", "lines": [COST]},
    }
    assert (second["id"], second["outcome"], second["refusal"]["reason"], second["release"]) == (str(refused), "refused", "insufficient", None)
    assert second["answered_at"] == second["closed_at"] == "2011-04-04T12:00:00Z"


async def test_cancelling_keeps_the_reason(client: AsyncClient) -> None:
    event = (await drafted(client))["id"]

    body = (await step(client, event, "cancel", reason="  No speaker. ")).json()

    assert (body["status"], body["cancellation_reason"]) == ("cancelled", "No speaker.")


@pytest.mark.parametrize(
    ("before", "transition", "state"),
    [
        ((), "approve", "draft"),
        ((), "publish", "draft"),
        ((), "complete", "draft"),
        (("submit",), "submit", "submitted"),
        (("submit",), "publish", "submitted"),
        (("submit", "approve"), "submit", "approved"),
        (("submit", "approve"), "complete", "approved"),
        (("submit", "approve", "publish"), "approve", "published"),
        (("submit", "approve", "publish", "complete"), "cancel", "completed"),
        (("cancel",), "cancel", "cancelled"),
        (("cancel",), "submit", "cancelled"),
    ],
)
async def test_a_step_that_the_state_does_not_allow_is_a_409_naming_it(
    client: AsyncClient, before: tuple[str, ...], transition: str, state: str
) -> None:
    event = (await drafted(client))["id"]
    for done in before:
        assert (await step(client, event, done, **_body_of(done))).status_code == 200

    answer = await step(client, event, transition, **_body_of(transition))

    assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (409, "/problems/transition-refused", state)


def _body_of(transition: str) -> dict[str, str]:
    return {"reason": "No speaker."} if transition == "cancel" else {}


async def test_publishing_before_the_money_is_there_is_a_409(client: AsyncClient) -> None:
    event = (await drafted(client, **COSTS))["id"]
    await step(client, event, "submit")
    await step(client, event, "approve")

    answer = await step(client, event, "publish")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/financing-not-secured")
    assert answer.json()["state"] == "pending"


@pytest.mark.parametrize(
    ("before", "transition"),
    [
        ((), "submit"),
        (("submit",), "approve"),
        (("submit", "approve"), "publish"),
        (("submit", "approve", "publish"), "complete"),
        ((), "cancel"),
    ],
)
async def test_a_stale_version_is_a_412_and_the_present_one_is_taken(client: AsyncClient, before: tuple[str, ...], transition: str) -> None:
    event = (await drafted(client))["id"]
    for done in before:
        await step(client, event, done)
    path, body = f"/v1/events/{event}/{transition}", _body_of(transition) or None

    stale = await client.post(path, json=body, headers={"If-Match": '"99"'})
    fresh = await client.post(path, json=body, headers={"If-Match": f'"{len(before) + 1}"'})

    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale-version")
    assert fresh.status_code == 200


async def test_a_patch_changes_what_is_given_and_leaves_the_rest(client: AsyncClient) -> None:
    made = await drafted(client, **COSTS)

    answer = await client.patch(f"/v1/events/{made['id']}", json={"place": "Évry", "capacity": 35}, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert answer.json() == made | {"place": "Évry", "capacity": 35, "changed_at": answer.json()["changed_at"]}


async def test_a_patch_that_changes_nothing_writes_nothing(client: AsyncClient, commands: Commands) -> None:
    made = await drafted(client, **COSTS)
    given = {name: made[name] for name in a_body(**COSTS)}

    answer = await client.patch(f"/v1/events/{made['id']}", json=given, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert [body["type"] for body in await commands.said(EventId(made["id"]))] == ["EventDrafted"]


async def test_a_patch_may_take_the_costs_and_the_grant_away(client: AsyncClient) -> None:
    made = await drafted(client, **COSTS)

    answer = await client.patch(f"/v1/events/{made['id']}", json={"grant_id": None, "costs": []}, headers={"If-Match": "*"})

    assert (answer.json()["grant_id"], answer.json()["costs"]) == (None, [])


async def test_a_patch_without_a_version_is_a_428(client: AsyncClient) -> None:
    made = await drafted(client)

    answer = await client.patch(f"/v1/events/{made['id']}", json={"place": "Évry"})

    assert (answer.status_code, answer.json()["type"]) == (428, "/problems/if-match-required")


async def test_a_patch_of_an_older_version_is_a_412(client: AsyncClient) -> None:
    made = await drafted(client)
    await client.patch(f"/v1/events/{made['id']}", json={"place": "Évry"}, headers={"If-Match": '"1"'})

    answer = await client.patch(f"/v1/events/{made['id']}", json={"place": "Lyon"}, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.json()["type"]) == (412, "/problems/stale-version")


async def test_what_is_submitted_cannot_be_patched(client: AsyncClient) -> None:
    made = await drafted(client)
    await step(client, made["id"], "submit")

    answer = await client.patch(f"/v1/events/{made['id']}", json={"place": "Évry"}, headers={"If-Match": "*"})

    assert (answer.status_code, answer.json()["state"]) == (409, "submitted")


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"grant_id": None}, "grant_id"),
        ({"ends_at": "2011-09-12T08:00:00+02:00"}, "ends_at"),
        ({"time_zone": "Europe/Cracow"}, "time_zone"),
        ({"title": None}, "title"),
        ({"capacity": None}, "capacity"),
        ({"title": {"pl": "Warsztat"}}, "title.en"),
        ({"status": "published"}, "status"),
    ],
)
async def test_a_patch_that_would_make_an_impossible_event_is_a_422(client: AsyncClient, patch: dict[str, Any], field: str) -> None:
    made = await drafted(client, **COSTS)

    answer = await client.patch(f"/v1/events/{made['id']}", json=patch, headers={"If-Match": "*"})

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"title": "Warsztat"}, "title"),
    ({"title": {"pl": " ", "en": "Workshop"}}, "title.pl"),
    ({"title": {"pl": "a\x00b", "en": "Workshop"}}, "title.pl"),
    ({"kind": "party"}, "kind"),
    ({"public": "yes"}, "public"),
    ({"host_organisation_id": "klaster"}, "host_organisation_id"),
    ({"country": "UK"}, "country"),
    ({"country": "pl"}, "country"),
    ({"starts_at": "2011-09-12T09:00:00"}, "starts_at"),
    ({"starts_at": 1315810800}, "starts_at"),
    ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
    ({"ends_at": "9999-12-31T23:59:59-14:00"}, "ends_at"),
    ({"ends_at": "9999-12-31T23:59:59Z"}, "ends_at"),
    ({"ends_at": "2011-09-12T09:00:00+02:00"}, "ends_at"),
    ({"time_zone": "CEST"}, "time_zone"),
    ({"capacity": 0}, "capacity"),
    ({"capacity": 10**9}, "capacity"),
    ({"capacity": 2.5}, "capacity"),
    ({"capacity": "20"}, "capacity"),
    ({"costs": [COST]}, "grant_id"),
    (COSTS | {"costs": [COST, COST]}, "costs"),
    (COSTS | {"costs": [COST | {"line_code": str(number)} for number in range(101)]}, "costs"),
    (COSTS | {"costs": [COST | {"amount": {"amount": 1200, "currency": "PLN"}}]}, "costs.0.amount.amount"),
    (COSTS | {"costs": [COST | {"amount": {"amount": "0.00", "currency": "PLN"}}]}, "costs.0.amount"),
    (COSTS | {"costs": [COST | {"amount": {"amount": "1.005", "currency": "PLN"}}]}, "costs.0.amount.amount"),
    (COSTS | {"costs": [COST | {"amount": {"amount": "1.00", "currency": "ZZZ"}}]}, "costs.0.amount.currency"),
    ({"unheard_of": 1}, "unheard_of"),
]


@pytest.mark.parametrize(("changed", "field"), BAD_FIELDS)
async def test_a_field_that_cannot_be_used_is_a_422_that_names_it(client: AsyncClient, changed: dict[str, Any], field: str) -> None:
    answer = await client.post("/v1/events", json=a_body(**changed))

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    "method_and_path", ["GET /v1/events/{}", "GET /v1/events/{}.ics", "GET /v1/events/{}/registrations", "POST /v1/events/{}/submit"]
)
async def test_an_unknown_event_is_a_404_and_a_malformed_id_a_422(client: AsyncClient, method_and_path: str) -> None:
    method, path = method_and_path.split()

    assert (await client.request(method, path.format(UNKNOWN))).status_code == 404
    assert (await client.request(method, path.format("seventeen"))).status_code == 422


async def test_lists_are_filtered_by_status_kind_and_time(client: AsyncClient) -> None:
    host = str(new_id())
    may, june = [
        (await drafted(client, host_organisation_id=host, kind=kind, starts_at=f"{day}T09:00:00+02:00", ends_at=f"{day}T17:00:00+02:00"))["id"]
        for kind, day in (("conference", "2013-05-20"), ("study_visit", "2013-06-03"))
    ]
    await step(client, june, "submit")

    async def listed(query: str) -> set[str]:
        items = (await client.get(f"/v1/events?limit=200&{query}")).json()["items"]
        return {item["id"] for item in items if item["host_organisation_id"] == host}

    assert await listed("status=draft") == {may}
    assert await listed("kind=study_visit") == {june}
    assert await listed("from=2013-06-01") == {june}
    assert await listed("to=2013-05-20") == {may}
    assert await listed("from=2013-05-20T07:00:00Z&to=2013-06-03T07:00:00Z") == {may}
    assert await listed("from=2013-05-21&to=2013-06-02") == set()


@pytest.mark.parametrize("query", ["status=open", "kind=party", "from=tomorrow", "to=2013-02-30", "limit=0", "limit=201", "cursor=x"])
async def test_a_filter_that_cannot_be_used_is_a_422(client: AsyncClient, query: str) -> None:
    assert (await client.get(f"/v1/events?{query}")).status_code == 422


async def test_a_list_is_read_in_pages_to_its_end(client: AsyncClient) -> None:
    made = [(await drafted(client, kind="internship"))["id"] for _ in range(5)]
    seen: list[str] = []
    path: str | None = "/v1/events?kind=internship&limit=2"

    while path:
        page = await client.get(path)
        seen += [item["id"] for item in page.json()["items"]]
        path = page.links["next"]["url"] if page.json()["next"] else None

    assert seen == sorted(made)


async def test_the_calendar_file_is_the_events_present_state(client: AsyncClient, commands: Commands) -> None:
    event = await commands.published()
    await commands.cancel(event)

    answer = await client.get(f"/v1/events/{event}.ics?locale=en")

    (entry,) = Calendar.from_ical(answer.content).walk("VEVENT")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert (entry["UID"], entry["SEQUENCE"], entry["STATUS"]) == (f"event-{event}@klaster", 5, "CANCELLED")
    assert entry["SUMMARY"] == "Expert workshop"


async def test_a_command_repeated_with_its_key_has_one_effect(client: AsyncClient) -> None:
    key = {"Idempotency-Key": str(new_id())}
    body = a_body(kind="strategy_workshop", place=f"Room {new_id()}")

    first, second = [await client.post("/v1/events", json=body, headers=key) for _ in range(2)]

    assert (second.status_code, second.json(), second.headers["location"]) == (201, first.json(), first.headers["location"])
    assert len((await client.get("/v1/events?kind=strategy_workshop&limit=200")).json()["items"]) == 1
