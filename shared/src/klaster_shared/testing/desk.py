"""The cluster's office at work: commands and questions over the public HTTP interface, for suites of the whole stack.

The one rule: nothing here knows more than a client does. An answer other than the expected one fails with its problem document.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from klaster_shared.testing.waiting import eventually

type Json = dict[str, Any]

EFFECT_SECONDS: Final = 20.0
"""How long an effect in another service may take on a machine that is busy with the suite itself."""

ANSWER_SECONDS: Final = 180.0
"""How long a service may take to be there again after its process was killed."""

CONFLICT, UNAVAILABLE = 409, 503
CURRENCY: Final = "PLN"


def money(amount: str, currency: str = CURRENCY) -> Json:
    return {"amount": amount, "currency": currency}


def a_code(stem: str) -> str:
    """A code that nobody else in the run uses."""
    return f"{stem}-{secrets.token_hex(4)}"


def an_address(stem: str) -> str:
    return f"{a_code(stem)}@example.org"


class Desk:
    patience = EFFECT_SECONDS

    def __init__(self, client: httpx.AsyncClient, addresses: Mapping[str, str]) -> None:
        self._client = client
        self._addresses = addresses

    async def ask(self, method: str, service: str, path: str, **options: Any) -> httpx.Response:
        """Any request, any answer."""
        return await self._client.request(method, f"{self._addresses[service]}{path}", **options)

    async def make(self, service: str, path: str, body: Json, *, key: str | None = None) -> Json:
        """A creating POST."""
        return _expected(201, await self.ask("POST", service, path, json=body, headers=_headers(key)))

    async def do(self, service: str, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
        """A POST that changes something."""
        return _expected(200, await self.ask("POST", service, path, json=body, headers=_headers(key)))

    async def show(self, service: str, path: str) -> Json:
        return _expected(200, await self.ask("GET", service, path))

    async def items(self, service: str, path: str, **query: Any) -> list[Json]:
        """A whole list, page after page."""
        found: list[Json] = []
        parameters = query | {"limit": 200}
        while True:
            page = _expected(200, await self.ask("GET", service, path, params=parameters))
            found += page["items"]
            if page.get("next") is None:
                return found
            parameters["cursor"] = page["next"]

    async def organisation(self, **fields: Any) -> Json:
        given = {"name": a_code("Institute"), "kind": "research_institute", "country": "PL"}
        return await self.make("partners", "/v1/organisations", given | fields)

    async def contact(self, organisation: str, **fields: Any) -> Json:
        given = {"name": "Contact person", "email": an_address("contact"), "locale": "pl", "roles": ["event_manager"]}
        return await self.make("partners", f"/v1/organisations/{organisation}/contacts", given | fields)

    async def membership(self, organisation: str) -> Json:
        """Applied for in a network of its own."""
        network = await self.make("partners", "/v1/networks", {"code": a_code("NET"), "name": "Network"})
        asked = {"organisation_id": organisation, "network_id": network["id"], "applied_on": "2011-01-01"}
        return await self.make("partners", "/v1/memberships", asked)

    async def decide(self, membership: str, step: str, tier: str) -> Json:
        """`step`: `admit` or `upgrade`."""
        return await self.do("partners", f"/v1/memberships/{membership}/{step}", {"tier": tier, "effective_on": "2011-05-01", "decision": "3/2011"})

    async def grant(self, **planned: str) -> Json:
        """With a line for each keyword: its code and what is planned on it."""
        lines = [{"code": code, "name": code, "category": "services", "planned": money(amount)} for code, amount in planned.items()]
        given = {"name": "Grant", "funder": "Fund", "total": money("10000000.00"), "starts_on": "2011-01-01", "ends_on": "2012-12-31"}
        return await self.make("budget", "/v1/grants", given | {"code": a_code("GRANT"), "lines": lines})

    async def draft(self, grant: Json | None = None, *, costs: Mapping[str, str] | None = None, **fields: Any) -> Json:
        """`costs`: line code → amount."""
        return await self.make("events", "/v1/events", an_event(grant, costs=costs, **fields))

    async def step(self, event: str, step: str, body: Json | None = None) -> Json:
        """`submit`, `approve`, `publish`, `complete`, or `cancel` with its reason."""
        return await self.do("events", f"/v1/events/{event}/{step}", body)

    async def approved(self, grant: Json, **fields: Any) -> Json:
        """An event that waits for budget's answer."""
        event = await self.draft(grant, **fields)
        await self.step(event["id"], "submit")
        return await self.step(event["id"], "approve")

    async def published(self, **fields: Any) -> Json:
        """An event without costs that takes registrations."""
        event = await self.draft(**fields)
        for step in ("submit", "approve"):
            await self.step(event["id"], step)
        return await self.step(event["id"], "publish")

    async def cancel(self, event: str, reason: str = "The speaker is ill.") -> Json:
        return await self.step(event, "cancel", {"reason": reason})

    async def register(self, event: str, **fields: Any) -> Json:
        given = {"name": "Participant", "email": an_address("participant"), "locale": "pl"}
        return await self.make("events", f"/v1/events/{event}/registrations", given | fields)

    async def event(self, event: str) -> Json:
        return await self.show("events", f"/v1/events/{event}")

    async def event_when(self, event: str, **wanted: Any) -> Json:
        """The event, as soon as its fields have the wanted values."""

        async def reached() -> Json:
            found = await self.event(event)
            assert {name: found[name] for name in wanted} == wanted
            return found

        return await eventually(reached, within=self.patience, what=f"event {event} with {wanted}")

    async def commitments(self, event: str) -> list[Json]:
        return await self.items("budget", "/v1/commitments", event_id=event)

    async def line(self, grant: Json, code: str) -> Json:
        """Balances of a line, as plain text amounts: planned, committed, declared, available."""
        shown = await self.show("budget", f"/v1/grants/{grant['id']}")
        line = next(line for line in shown["lines"] if line["code"] == code)
        return {name: line[name]["amount"] for name in ("planned", "committed", "declared", "available")}

    async def expenditures(self, grant: Json) -> list[Json]:
        return await self.items("budget", "/v1/expenditures", grant_id=grant["id"])

    async def parked(self, service: str, **query: Any) -> list[Json]:
        return await self.items(service, "/admin/parked", **query)


class InsistentDesk(Desk):
    """Repeats a command under its own key until it has an answer, as a client should: no connection, in progress and unavailable are none."""

    patience = ANSWER_SECONDS
    commands = 0
    """Answered so far."""

    async def ask(self, method: str, service: str, path: str, **options: Any) -> httpx.Response:
        if method == "POST":
            options["headers"] = {**(options.get("headers") or {}), "Idempotency-Key": secrets.token_hex(16)}

        async def answer() -> httpx.Response | None:
            try:
                found = await super(InsistentDesk, self).ask(method, service, path, **options)
            except httpx.TransportError:
                return None
            in_progress = found.status_code == CONFLICT and found.json()["type"] == "/problems/idempotency-key-in-progress"
            return None if in_progress or found.status_code == UNAVAILABLE else found

        found = await eventually(answer, within=self.patience, what=f"an answer to {method} {path}")
        assert found is not None
        self.commands += method == "POST"
        return found


def an_event(grant: Json | None = None, *, costs: Mapping[str, str] | None = None, **fields: Any) -> Json:
    """The body of a draft; with costs it needs the grant."""
    given = {
        "title": {"pl": "Warsztat ekspercki", "en": "Expert workshop"},
        "kind": "workshop",
        "public": True,
        "host_organisation_id": "01980000-0000-7000-8000-000000000001",
        "place": "Kraków",
        "country": "PL",
        "starts_at": "2011-09-12T09:00:00+02:00",
        "ends_at": "2011-09-12T15:00:00+02:00",
        "time_zone": "Europe/Warsaw",
        "capacity": 20,
        "grant_id": None if grant is None else grant["id"],
        "costs": [{"line_code": code, "amount": money(amount)} for code, amount in (costs or {}).items()],
    }
    return given | fields


@asynccontextmanager
async def open_desk[D: Desk](addresses: Mapping[str, str], kind: type[D]) -> AsyncIterator[D]:
    """`addresses`: service → URL."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
    async with httpx.AsyncClient(timeout=60, limits=limits, headers={"X-Klaster-Actor": "office"}) as client:
        yield kind(client, addresses)


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


def _expected(status: int, answer: httpx.Response) -> Json:
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    body: Json = answer.json()
    return body
