"""A process that is told to stop, under load: nothing that was begun is dropped, and another process of the service takes over."""

import asyncio
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from statistics import median
from typing import Any

import httpx
import pytest
from aiokafka.partitioner import murmur2

from klaster_local.metrics import Samples, parse
from klaster_shared.testing.accounting import TOPIC, AccountingSystem, an_invoice
from klaster_shared.testing.desk import Desk, Json, a_code, open_desk
from klaster_shared.testing.processes import ServiceProcess, Stack
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

CALLERS = 8
WARM_COMMANDS = 40
"""Answered before the process is told to stop."""
HANDOVERS = int(os.environ.get("KLASTER_HANDOVERS", "2"))
PATIENCE = 90.0
PARTITIONS = 6
CONSUMER = "budget.accounting"
PAUSE_SECONDS = 0.1
"""Between two commands of a load: what is measured is the handing over, not a backlog."""
CREATED, STOPPING = 201, 503

type Settled = Callable[[], Awaitable[Any]]


class Callers:
    """Clients that create organisations one after the other, half of them over a new connection each time, and keep what they were told."""

    def __init__(self, url: str) -> None:
        self.run = a_code("caller")
        self.answered: dict[str, int] = {}
        self.cut_off: set[str] = set()
        """Answered that nobody knows."""
        self.unanswered: dict[str, httpx.TransportError] = {}
        self._url = url

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._call(keep=number % 2 == 0)) for number in range(CALLERS)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def created(self) -> set[str]:
        return {name for name, status in self.answered.items() if status == CREATED}

    async def _call(self, *, keep: bool) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if keep else 0)
        async with httpx.AsyncClient(base_url=self._url, timeout=PATIENCE, limits=limits) as client:
            while True:
                name = f"{self.run} {secrets.token_hex(6)}"
                try:
                    answer = await client.post("/v1/organisations", json={"name": name, "kind": "research_institute", "country": "PL"})
                except httpx.TransportError as error:
                    self.unanswered[name] = error
                    await asyncio.sleep(PAUSE_SECONDS)  # nobody listens any more
                else:
                    self.answered[name] = answer.status_code
                    if answer.json().get("type") == "/problems/cut-off":
                        self.cut_off.add(name)


async def test_a_stop_under_load_drops_no_request_that_was_begun(stack: Stack, desk: Desk, settled: Settled) -> None:
    callers = Callers(stack["partners"].url)
    async with callers.calling():
        await eventually(lambda: len(callers.created()) >= WARM_COMMANDS, within=PATIENCE, what="the load")
        stack["partners"].ask_to_stop()
        await eventually(lambda: not stack["partners"].running, within=PATIENCE, what="the process to end")
    assert stack["partners"].exit_status == 0
    stack["partners"].begin()
    await eventually(stack["partners"].at_work, within=PATIENCE * 2, what="the process to be back")
    kept = {each["name"] for each in await desk.items("partners", "/v1/organisations", q=callers.run)}
    assert set(callers.answered.values()) <= {CREATED, STOPPING}
    assert kept - callers.cut_off == callers.created()  # every 201 has its effect, and what was refused or not answered has none
    await settled()


class Budget:
    """A process of the budget service, as its own metrics and health show it."""

    def __init__(self, process: ServiceProcess, client: httpx.AsyncClient) -> None:
        self.process = process
        self._client = client

    async def samples(self) -> Samples:
        """None at all while nobody listens."""
        try:
            return parse((await self._client.get(f"{self.process.url}/metrics")).text)
        except httpx.TransportError:
            return parse("")

    async def part(self, component: str) -> Json:
        found = await asyncio.to_thread(self.process.report)
        return next((each for each in found.get("components", ()) if each["component"] == component), {})

    async def leads(self) -> bool:
        return bool((await self.part("relay")).get("leader"))

    async def invoice_partitions(self) -> set[int]:
        return {int(each.labels["partition"]) for each in (await self.samples()).of("klaster_consumer_lag_messages", topic=TOPIC)}

    async def work_done(self) -> tuple[float, float]:
        """Messages published and invoices applied by this process."""
        samples = await self.samples()
        applied = samples.total("klaster_consumer_handled_total", consumer=CONSUMER, outcome="applied")
        return samples.total("klaster_outbox_published_total"), applied


class Load:
    """Invoices under one key, and grants: the consumer of one partition has something to do all the time, and so has the relay."""

    def __init__(self, accounting: AccountingSystem, *processes: Budget) -> None:
        self.booked = 0
        self.key = ""
        self._accounting = accounting
        self._processes = processes

    @asynccontextmanager
    async def on(self, grant: Json) -> AsyncIterator[None]:
        ended = asyncio.Event()
        tasks = [asyncio.create_task(self._book(grant, ended)), *(asyncio.create_task(self._register(each, ended)) for each in self._processes)]
        try:
            yield
        finally:
            ended.set()
            await asyncio.gather(*tasks)

    def move_to(self, partition: int) -> None:
        self.key = next(key for key in map(str, range(10_000)) if (murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS == partition)

    async def _book(self, grant: Json, ended: asyncio.Event) -> None:
        while not ended.is_set():
            if self.key:
                await asyncio.to_thread(self._accounting.book, an_invoice(grant, "workshops", "0.01"), key=self.key)
                self.booked += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _register(self, budget: Budget, ended: asyncio.Event) -> None:
        async with open_desk({"budget": budget.process.url}, Desk) as desk:
            while not ended.is_set():
                with suppress(httpx.TransportError, AssertionError):  # it stops, or does not run
                    await desk.grant(workshops="1.00")
                await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def a_pair(stack: Stack) -> AsyncIterator[tuple[Budget, Budget]]:
    """The stack's process, which leads at first, and a replica of it; afterwards the stack is as it was."""
    first, second = stack["budget"], stack["budget"].replica()
    second.begin()
    try:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            yield Budget(first, client), Budget(second, client)
    finally:
        second.stop()
        if not first.running:
            first.begin()
        await eventually(first.at_work, within=PATIENCE * 2, what="the stack's own process to have everything again")


async def hand_over(leaver: Budget, stayer: Budget, load: Load) -> tuple[float, float]:
    """Stops the leader while both work. Seconds until the other one's first publication, and until its first effect in the leaver's partition."""

    async def share() -> bool:
        theirs, ours = await leaver.invoice_partitions(), await stayer.invoice_partitions()
        return len(theirs) == len(ours) == PARTITIONS // 2 and not theirs & ours

    await eventually(share, within=PATIENCE, what="the two to share the partitions")
    load.move_to(min(await leaver.invoice_partitions()))
    before = await stayer.work_done()
    working = (await leaver.work_done())[1]

    async def at_work() -> bool:
        return (await leaver.work_done())[1] > working + 10

    await eventually(at_work, within=PATIENCE, what="the leaver to apply what is booked now")
    before = await stayer.work_done()
    leaver.process.ask_to_stop()
    told, seconds = time.monotonic(), [0.0, 0.0]
    while not all(seconds):
        done = await stayer.work_done()
        seconds = [seconds[i] or (time.monotonic() - told if done[i] > before[i] else 0.0) for i in (0, 1)]
        assert time.monotonic() < told + PATIENCE, f"not taken over: {seconds}"
    await eventually(lambda: not leaver.process.running, within=PATIENCE, what="the leaver to end")
    assert leaver.process.exit_status == 0
    assert await stayer.leads()
    await eventually(lambda: _owns_all(stayer), within=PATIENCE, what="the stayer to own every partition")
    return seconds[0], seconds[1]


async def _owns_all(process: Budget) -> bool:
    return len(await process.invoice_partitions()) == PARTITIONS


@pytest.mark.timeout(300 * HANDOVERS)
async def test_a_second_process_takes_over_relay_and_consumers_from_one_that_is_stopped(
    stack: Stack, desk: Desk, accounting: AccountingSystem, settled: Settled
) -> None:
    grant = await desk.grant(workshops="1000.00")
    others = {each["id"] for each in await desk.parked("budget")}
    figures: list[tuple[float, float]] = []
    async with a_pair(stack) as pair:
        load = Load(accounting, *pair)
        async with load.on(grant):
            for number in range(HANDOVERS):
                leaver, stayer = pair[number % 2], pair[1 - number % 2]
                figures.append(await hand_over(leaver, stayer, load))
                leaver.process.begin()
    for what, times in zip(("publication", "effect"), zip(*figures, strict=True), strict=True):
        sys.stdout.write(f"first {what} of the other after {median(times):.3f} s (median of {[round(each, 3) for each in times]})\n")
    await settled()
    numbers = Counter(each["document"]["number"] for each in await desk.expenditures(grant))
    assert (len(numbers), set(numbers.values())) == (load.booked, {1})
    assert {each["id"] for each in await desk.parked("budget")} <= others
