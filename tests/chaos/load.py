"""Load that does not wait for the system: so many commands a second, whatever becomes of the earlier ones.

The one rule: **the pace is the clock's, not the system's** (an open loop). A closed loop would ask less the slower the answers are, and so
hide exactly the stalls that faults cause. Each command belongs to a story: a flow that an office would go through, step by step.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final, Self

from klaster_shared.testing.desk import an_event, money
from tests.chaos.clients import Clients, NoAnswer
from tests.chaos.ledger import Json

SECURED_LOOK_SECONDS: Final = 0.25
SECURED_LOOKS: Final = 240
LINE: Final = "workshops"
COST: Final = "100.00"


class Over(Exception):
    """The load has ended; a story stops where it is."""


class Refused(Exception):
    """A service refused a step; the story ends, and the ledger has the answer."""


class Pace:
    """Turns at a fixed rate. A story waits for a turn before each command; a turn nobody waits for begins a new story."""

    def __init__(self, rate: float, begin: Callable[[], None]) -> None:
        self._rate = rate
        self._begin = begin
        self._waiting: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.turns = 0
        self.over = False

    async def turn(self) -> None:
        if self.over:
            raise Over
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(waiting)
        await waiting

    async def run(self, ended: asyncio.Event) -> None:
        """Gives turns until `ended`. A loop that was held up makes up for it: the clock decides how many turns are due."""
        began = time.monotonic()
        while not ended.is_set():
            due = int((time.monotonic() - began) * self._rate) - self.turns
            for _ in range(due):
                self._give()
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 1 / self._rate)
        self.over = True
        while not self._waiting.empty():
            waiting = self._waiting.get_nowait()
            if not waiting.done():
                waiting.set_exception(Over())

    def _give(self) -> None:
        self.turns += 1
        if self._waiting.empty():
            self._begin()
        self._waiting.get_nowait().set_result(None)


@dataclass(slots=True)
class World:
    """What stories share: the office's hands, the grant all events draw on, and how many stories there were."""

    clients: Clients
    pace: Pace
    random: Random
    run: str
    grant: Json
    stories: int = 0

    def name(self, stem: str) -> str:
        self.stories += 1
        return f"{self.run}-{stem}-{self.stories}"

    async def do(self, service: str, path: str, body: Json | None = None) -> Json:
        """One command in its turn."""
        await self.pace.turn()
        status, answer = await self.clients.post(service, path, body)
        if status >= 300:
            raise Refused(f"{status} {path}")
        return answer


type Story = Callable[[World], Awaitable[None]]


async def contacts(world: World) -> None:
    """Facts of one aggregate in quick succession, read by one consumer."""
    name = world.name("institute")
    organisation = await world.do("partners", "/v1/organisations", {"name": name, "kind": "research_institute", "country": "PL"})
    for number in range(world.random.randint(1, 5)):
        await world.do("partners", f"/v1/organisations/{organisation['id']}/contacts", a_contact(f"{name}-{number}", world.random))


async def membership(world: World) -> None:
    """Joined from both sides: a contact may be added before or after what it is to be told of."""
    name = world.name("member")
    organisation = await world.do("partners", "/v1/organisations", {"name": name, "kind": "hospital", "country": "PL"})
    network = await world.do("partners", "/v1/networks", {"code": name.upper()[:40], "name": name})
    asked = {"organisation_id": organisation["id"], "network_id": network["id"], "applied_on": "2011-01-01"}
    made = await world.do("partners", "/v1/memberships", asked)
    decided = {"effective_on": "2011-05-01", "decision": "3/2011"}
    await world.do("partners", f"/v1/memberships/{made['id']}/admit", {"tier": "associate", **decided})
    await world.do("partners", f"/v1/organisations/{organisation['id']}/contacts", a_contact(name, world.random))
    await world.do("partners", f"/v1/memberships/{made['id']}/upgrade", {"tier": "full", **decided})


async def event(world: World) -> None:
    """Approval, registrations, and the end: paid for, cancelled, or simply held. Every sixth costs more than there is."""
    name = world.name("event")
    kind = world.stories % 6
    costs = {"scarce": "900.00"} if kind == 5 else {LINE: COST}
    made = await world.do("events", "/v1/events", an_event(world.grant, costs=costs, title={"pl": name, "en": name}, capacity=2))
    path = f"/v1/events/{made['id']}"
    await world.do("events", f"{path}/submit")
    await world.do("events", f"{path}/approve")
    if not await _secured(world, path):
        return
    await world.do("events", f"{path}/publish")
    seats = [await world.do("events", f"{path}/registrations", a_participant(f"{name}-{number}")) for number in range(3)]
    await world.do("events", f"/v1/registrations/{seats[0]['id']}/withdraw")
    if kind in (0, 1):
        await world.do("events", f"{path}/cancel", {"reason": "The speaker is ill."})
    elif kind in (2, 3):
        await world.do("budget", "/v1/expenditures", a_document(world.grant, name, made["id"], "30.00"))


async def documents(world: World) -> None:
    """Money alone: one service, contended rows."""
    await world.do("budget", "/v1/expenditures", a_document(world.grant, world.name("document"), None, "1.00"))


MIXES: Final[dict[str, tuple[Story, ...]]] = {
    "contacts": (contacts,),
    "memberships": (contacts, membership),
    "office": (contacts, membership, event, event, documents),
    "documents": (documents,),
    "events": (event,),
}


class Load:
    """A mix of stories at a rate, between entering and leaving. Leaving ends it, and waits for the commands under way."""

    def __init__(self, clients: Clients, *, mix: str, rate: float, run: str, grant: Json, random: Random) -> None:
        self.rate = rate
        self._stories = MIXES[mix]
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pacing: asyncio.Task[None] | None = None
        self.failures: list[BaseException] = []
        self.seconds = 0.0
        self._pace = Pace(rate, self._begin)
        self._world = World(clients, self._pace, random, run, grant)
        self._began = 0.0

    @property
    def turns(self) -> int:
        return self._pace.turns

    async def __aenter__(self) -> Self:
        self._began = time.monotonic()
        self._pacing = asyncio.create_task(self._pace.run(self._ended), name="pace")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        """No further turn; returns when each command under way has its answer, or its client no patience."""
        if self._pacing is None:
            return
        self._ended.set()
        await self._pacing
        self._pacing = None
        self.seconds = time.monotonic() - self._began
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def lasted(self, seconds: float) -> None:
        """Until it has lasted so long in all."""
        await asyncio.sleep(max(0.0, self._began + seconds - time.monotonic()))

    def _begin(self) -> None:
        """A new story; it stands in the queue for its first turn when this returns."""
        story = self._world.random.choice(self._stories)
        task = asyncio.eager_task_factory(asyncio.get_running_loop(), self._tell(story))
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, story: Story) -> None:
        try:
            await story(self._world)
        except (Over, Refused, NoAnswer):
            return
        except Exception as failure:  # noqa: BLE001 - a defect of the load itself must be seen, and must not end the run half-way
            self.failures.append(failure)


async def _secured(world: World, path: str) -> bool:
    for _ in range(SECURED_LOOKS):
        found = await world.clients.get("events", path)
        if found is not None and found["financing"] != "pending":
            return bool(found["financing"] == "secured")
        if world.pace.over:
            raise Over
        await asyncio.sleep(SECURED_LOOK_SECONDS)
    return False


def a_contact(stem: str, random: Random) -> Json:
    return {"name": "Contact person", "email": f"{stem}@example.org", "locale": random.choice(["pl", "en"]), "roles": ["event_manager"]}


def a_participant(stem: str) -> Json:
    return {"name": "Participant", "email": f"{stem}@example.org", "locale": "pl"}


def a_document(grant: Json, number: str, event_id: str | None, amount: str) -> Json:
    document = {"number": number, "issued_on": "2011-09-14", "issuer": "Printing house"}
    return {"grant_id": grant["id"], "line_code": LINE, "event_id": event_id, "document": document, "amount": money(amount)}


def a_grant(run: str) -> Json:
    """One line with plenty of money and one that carries a single event."""
    planned = {LINE: "9000000.00", "scarce": "1000.00"}
    lines = [{"code": code, "name": code, "category": "services", "planned": money(amount)} for code, amount in planned.items()]
    given = {"name": "Grant", "funder": "Fund", "total": money("10000000.00"), "starts_on": "2011-01-01", "ends_on": "2012-12-31"}
    return {"code": f"GRANT-{run}", "lines": lines, **given}
