"""Two hundred clients at once for the same seats and the same money."""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Final

from klaster_shared.testing.desk import an_event, money
from klaster_shared.testing.waiting import eventually
from tests.chaos.ledger import Json
from tests.chaos.load import a_participant
from tests.chaos.running import Fault, Run

CLIENTS: Final = 200
SEATS: Final = 50
CARRIED: Final = 10
"""Events, or documents, that the contended line has money for."""
EACH: Final = Decimal("100.00")
ANSWERED_SECONDS: Final = 120.0


class Races(Fault):
    """A third of the injections each: seats, reservations, documents."""

    mix = "contacts"

    def __init__(self, clients: int = CLIENTS) -> None:
        self._clients = clients
        self._conflicts = self._asked = self._oversold = self._overspent = 0

    async def inject(self, run: Run, number: int) -> bool:
        race = (self._seats, self._documents, self._approvals)[number % 3]
        return await race(run, f"{run.name}-race-{number}")

    async def _seats(self, run: Run, name: str) -> bool:
        event = await self._event(run, name, None, {}, capacity=SEATS)
        path = f"/v1/events/{event['id']}"
        for step in ("submit", "approve", "publish"):
            await run.clients.post("events", f"{path}/{step}")
        answers = await asyncio.gather(
            *(run.clients.post("events", f"{path}/registrations", a_participant(f"{name}-{each}")) for each in range(self._clients))
        )
        standing = Counter(answer["status"] for _, answer in answers)
        waiting = sorted(answer["position"] for _, answer in answers if answer["status"] == "waitlisted")
        self._asked += len(answers)
        self._oversold += max(0, standing["confirmed"] - SEATS)
        return standing == {"confirmed": SEATS, "waitlisted": self._clients - SEATS} and len(waiting) == self._clients - SEATS

    async def _documents(self, run: Run, name: str) -> bool:
        grant = await self._contended(run, name)
        document = {"issued_on": "2011-09-14", "issuer": "Printing house"}
        bodies = [
            {"grant_id": grant["id"], "line_code": "contended", "document": {**document, "number": f"{name}-{each}"}, "amount": money(str(EACH))}
            for each in range(self._clients)
        ]
        answers = await asyncio.gather(*(run.clients.post("budget", "/v1/expenditures", body) for body in bodies))
        outcome = Counter(status for status, _ in answers)
        self._asked += len(answers)
        self._conflicts += outcome[409]
        await self._within_plan(run, grant)
        return outcome == {201: CARRIED, 409: self._clients - CARRIED}

    async def _approvals(self, run: Run, name: str) -> bool:
        grant = await self._contended(run, name)
        events = [await self._event(run, f"{name}-{each}", grant, {"contended": str(EACH)}) for each in range(self._clients // 4)]
        for step in ("submit", "approve"):
            await asyncio.gather(*(run.clients.post("events", f"/v1/events/{event['id']}/{step}") for event in events))
        await asyncio.gather(*(_answered(run, event) for event in events))
        found = [await run.clients.get("events", f"/v1/events/{event['id']}") for event in events]
        secured = sum(1 for event in found if event is not None and event["financing"] == "secured")
        self._asked += len(events)
        self._conflicts += len(events) - secured
        await self._within_plan(run, grant)
        return secured == CARRIED

    async def _event(self, run: Run, name: str, grant: Json | None, costs: dict[str, str], capacity: int = 20) -> Json:
        body = an_event(grant, costs=costs, title={"pl": name, "en": name}, capacity=capacity)
        return (await run.clients.post("events", "/v1/events", body))[1]

    async def _contended(self, run: Run, name: str) -> Json:
        line = {"code": "contended", "name": "contended", "category": "services", "planned": money(str(EACH * CARRIED))}
        body = {"code": name.upper(), "name": "Grant", "funder": "Fund", "total": money(str(EACH * CARRIED)), "lines": [line]}
        return (await run.clients.post("budget", "/v1/grants", body | {"starts_on": "2011-01-01", "ends_on": "2012-12-31"}))[1]

    async def _within_plan(self, run: Run, grant: Json) -> None:
        found = await run.clients.get("budget", f"/v1/grants/{grant['id']}")
        assert found is not None, "budget does not answer"
        line = found["lines"][0]
        spoken_for = Decimal(line["committed"]["amount"]) + Decimal(line["declared"]["amount"])
        self._overspent += spoken_for > Decimal(line["planned"]["amount"])

    async def conclude(self, run: Run) -> None:
        run.figures |= {
            "clients at once": self._clients,
            "seats oversold": self._oversold,
            "lines overspent": self._overspent,
            "refused (%)": round(100 * self._conflicts / self._asked, 1) if self._asked else 0.0,
        }
        run.checks["no seat is sold twice, no money spent twice"] = self._oversold == self._overspent == 0


async def _answered(run: Run, event: Json) -> None:
    async def is_answered() -> bool:
        found = await run.clients.get("events", f"/v1/events/{event['id']}")
        return found is not None and found["financing"] != "pending"

    await eventually(is_answered, within=ANSWERED_SECONDS, what=f"an answer to the approval of {event['id']}")
