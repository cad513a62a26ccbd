"""Whatever is sent to whichever service, the answer says what is wrong with it, and nothing comes of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from klaster_shared.testing.desk import Desk, Json, a_code, an_event, money
from klaster_shared.testing.processes import SERVICES, Stack

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

MEGABYTE = 1024 * 1024
EXAMPLES = 6
SEED = 20111006
UNKNOWN = "01980000-0000-7000-8000-00000000dead"

ORGANISATION = {"name": "Institute", "kind": "research_institute", "country": "PL"}
LINE = {"code": "workshops", "name": "Workshops", "category": "services", "planned": money("100.00")}
GRANT = {
    "code": "G",
    "name": "Grant",
    "funder": "Fund",
    "total": money("100.00"),
    "starts_on": "2011-01-01",
    "ends_on": "2012-12-31",
    "lines": [LINE],
}

type Settled = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A request, the answer's status, and the field that the answer names, if the fault is in one."""

    service: str
    path: str
    status: int = 422
    body: bytes = b""
    field: str | None = None
    method: str = "POST"

    def __str__(self) -> str:
        return f"{self.service}{self.path}"


def bad(service: str, path: str, body: Json, field: str) -> Bad:
    return Bad(service=service, path=path, body=json.dumps(body).encode(), field=field)


BAD = {
    "no JSON": Bad(service="partners", path="/v1/organisations", body=b"<xml/>", status=400),
    "invalid UTF-8": Bad(service="events", path="/v1/events", body=b'{"place": "\xff"}', status=400),
    "10 MB": Bad(service="budget", path="/v1/grants", body=b" " * (10 * MEGABYTE), status=413),
    "a list for an object": Bad(service="budget", path="/v1/rates", body=b"[]"),
    "a NUL in a name": bad("partners", "/v1/organisations", ORGANISATION | {"name": "Insti\0tute"}, "name"),
    "a number for a name": bad("partners", "/v1/organisations", ORGANISATION | {"name": 7}, "name"),
    "an unknown kind": bad("partners", "/v1/organisations", ORGANISATION | {"kind": "guild"}, "kind"),
    "a country that is none": bad("partners", "/v1/organisations", ORGANISATION | {"country": "XX"}, "country"),
    "a NIP with a wrong check digit": bad(
        "partners", "/v1/organisations", ORGANISATION | {"identifiers": [{"scheme": "nip", "value": "1234567890"}]}, "identifiers"
    ),
    "an unknown field": bad("partners", "/v1/networks", {"code": "N", "name": "Network", "colour": "red"}, "colour"),
    "an e-mail without a host": bad(
        "partners", f"/v1/organisations/{UNKNOWN}/contacts", {"name": "C", "email": "c@", "locale": "pl", "roles": []}, "email"
    ),
    "an unknown event kind": bad("events", "/v1/events", an_event(kind="party"), "kind"),
    "an unknown time zone": bad("events", "/v1/events", an_event(time_zone="Europe/Nowhere"), "time_zone"),
    "an instant without offset": bad("events", "/v1/events", an_event(starts_at="2011-09-12T09:00:00"), "starts_at"),
    "no seats": bad("events", "/v1/events", an_event(capacity=0), "capacity"),
    "seats as text": bad("events", "/v1/events", an_event(capacity="20"), "capacity"),
    "costs without a grant": bad("events", "/v1/events", an_event(costs={"workshops": "1.00"}), "grant_id"),
    "money as a number": bad("budget", "/v1/grants", GRANT | {"total": {"amount": 100, "currency": "PLN"}}, "total.amount"),
    "30-digit money": bad("budget", "/v1/grants", GRANT | {"total": money("9" * 30)}, "total.amount"),
    "money that is no number": bad("budget", "/v1/grants", GRANT | {"total": money("NaN")}, "total.amount"),
    "money with too many decimals": bad("budget", "/v1/grants", GRANT | {"total": money("1.001")}, "total.amount"),
    "a currency that never was": bad("budget", "/v1/grants", GRANT | {"total": money("1.00", "XYQ")}, "total.currency"),
    "a day that never was": bad("budget", "/v1/grants", GRANT | {"ends_on": "2011-02-30"}, "ends_on"),
    "NaN in the JSON": Bad(
        service="budget", path="/v1/rates", body=b'{"currency": "EUR", "value": NaN, "date": "2011-09-12", "source": "NBP"}', field="value"
    ),
    "an id that is none": Bad(service="events", path="/v1/events/7", method="GET", field="event_id"),
    "an unknown id": Bad(service="events", path=f"/v1/events/{UNKNOWN}", method="GET", status=404),
    "too long a page": Bad(service="notifications", path="/v1/deliveries?limit=201", method="GET", field="limit"),
    "a cursor of our own making": Bad(service="notifications", path="/v1/deliveries?cursor=tomorrow", method="GET", field="cursor"),
    "an unknown status": Bad(service="notifications", path="/v1/deliveries?status=lost", method="GET", field="status"),
    "a method that is not there": Bad(service="notifications", path="/v1/deliveries", status=405),
    "a page that is not there": Bad(service="partners", path="/v1/nowhere", method="GET", status=404),
}


async def send(desk: Desk, request: Bad, **headers: str) -> httpx.Response:
    given = {"Content-Type": "application/json", **headers} if request.body else headers
    return await desk.ask(request.method, request.service, request.path, content=request.body, headers=given)


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_is_answered_with_a_problem_that_names_it(desk: Desk, case: str) -> None:
    request = BAD[case]
    answer = await send(desk, request)
    assert (answer.status_code, answer.headers["content-type"]) == (request.status, "application/problem+json")
    named = [error["field"] for error in answer.json().get("errors", [])]
    assert request.field is None or any(name.startswith(request.field) for name in named)
    page = await desk.ask("GET", request.service, answer.json()["type"])
    assert page.status_code == 200


async def test_nothing_comes_of_bad_input(desk: Desk, settled: Settled) -> None:
    before = await settled()
    for request in BAD.values():
        await send(desk, request)
    assert (await settled()).ends == before.ends


async def test_the_same_key_again_gets_the_same_answer(desk: Desk) -> None:
    key = a_code("key")
    body, headers = ORGANISATION | {"name": a_code("Institute")}, {"Idempotency-Key": key}
    first, second = [await desk.ask("POST", "partners", "/v1/organisations", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, first.content, first.headers["ETag"]) == (201, second.content, second.headers["ETag"])
    assert first.headers["Location"] == second.headers["Location"]
    assert len(await desk.items("partners", "/v1/organisations", q=body["name"])) == 1


async def test_the_same_key_with_another_body_is_refused(desk: Desk) -> None:
    headers = {"Idempotency-Key": a_code("key")}
    await desk.ask("POST", "partners", "/v1/organisations", json=ORGANISATION, headers=headers)
    other = await desk.ask("POST", "partners", "/v1/organisations", json=ORGANISATION | {"city": "Kraków"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_one_key_used_by_many_at_once_has_one_effect(desk: Desk) -> None:
    body, headers = ORGANISATION | {"name": a_code("Institute")}, {"Idempotency-Key": a_code("key")}
    answers = await asyncio.gather(*(desk.ask("POST", "partners", "/v1/organisations", json=body, headers=headers) for _ in range(20)))
    made = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len({answer.content for answer in made}) == 1
    assert {answer.json()["type"] for answer in waiting} <= {"/problems/idempotency-key-in-progress"}
    assert all(answer.headers["Retry-After"] for answer in waiting)
    assert len(made) + len(waiting) == 20
    assert len(await desk.items("partners", "/v1/organisations", q=body["name"])) == 1


async def test_a_draft_cannot_be_approved(desk: Desk) -> None:
    event = await desk.draft()
    answer = await desk.ask("POST", "events", f"/v1/events/{event['id']}/approve")
    assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (409, "/problems/transition-refused", "draft")


async def test_nobody_registers_at_a_cancelled_event(desk: Desk) -> None:
    event = await desk.published()
    await desk.cancel(event["id"])
    person = {"name": "Participant", "email": "participant@example.org", "locale": "pl"}
    answer = await desk.ask("POST", "events", f"/v1/events/{event['id']}/registrations", json=person)
    assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (409, "/problems/event-not-open", "cancelled")


async def test_a_membership_is_not_upgraded_downwards(desk: Desk) -> None:
    membership = await desk.membership((await desk.organisation())["id"])
    await desk.decide(membership["id"], "admit", "full")
    down = {"tier": "associate", "effective_on": "2011-06-01", "decision": "4/2011"}
    answer = await desk.ask("POST", "partners", f"/v1/memberships/{membership['id']}/upgrade", json=down)
    assert (answer.status_code, answer.json()["type"], answer.json()["tier"]) == (409, "/problems/not-an-upgrade", "full")


async def test_a_stale_version_is_not_changed(desk: Desk) -> None:
    event = await desk.draft()
    path = f"/v1/events/{event['id']}"
    tag = (await desk.ask("GET", "events", path)).headers["ETag"]
    await desk.ask("PATCH", "events", path, json={"place": "Évry"}, headers={"If-Match": tag})
    stale = await desk.ask("PATCH", "events", path, json={"place": "Tartu"}, headers={"If-Match": tag})
    assert (stale.status_code, (await desk.event(event["id"]))["place"]) == (412, "Évry")
    assert (await desk.ask("PATCH", "events", path, json={"place": "Tartu"})).status_code == 428


@pytest.mark.parametrize("service", SERVICES)
def test_no_request_that_can_be_made_from_the_openapi_document_breaks_the_service(stack: Stack, service: str) -> None:
    url = stack[service].url
    described = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    assert sum([try_out(operation, url, mode) for operation in operations for mode in GenerationMode]) > len(operations)


def try_out(operation: APIOperation[Any, Any, Any, Any], url: str, mode: GenerationMode) -> int:
    """Sends requests that are meant to be good or bad; the number of them."""
    sent = 0

    @seed(SEED)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), print_blob=False)
    @given(case=operation.as_strategy(mode))
    def every_request_has_an_answer(case: Any) -> None:
        nonlocal sent
        answer = case.call(base_url=url)
        sent += 1
        assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.status_code} {answer.text}"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"]

    with suppress(Unsatisfiable):  # nothing about a request without parameters and body can be bad
        every_request_has_an_answer()
    return sent
