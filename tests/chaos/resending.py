"""What was said is said again, in another order, or before what it depends on."""

import asyncio
from typing import Any, Final

import httpx

from klaster_local.endpoints import Endpoint
from klaster_shared.contracts.topics import TOPICS
from klaster_shared.testing.accounting import TOPIC
from klaster_shared.testing.log import read_log
from tests.chaos.books import an_invoice, open_books
from tests.chaos.engines import System
from tests.chaos.running import Fault, Run
from tests.chaos.state import caught_up, database_of

OUR_TOPICS: Final = tuple(name for name, topic in TOPICS.items() if topic.owner != "accounting")
CONVERGED_SECONDS: Final = 120.0


class Duplicates(Fault):
    """Records of the log are published again, byte for byte, each as many times as the injection's turn says."""

    copies: Final = (1, 3, 10, 100)

    def __init__(self) -> None:
        self._copied = 0
        self._before = 0.0

    async def prepare(self, run: Run) -> None:
        self._before = await duplicates_counted(run.system)

    async def inject(self, run: Run, number: int) -> bool:
        await caught_up(run.system)
        records = await asyncio.to_thread(read_log, run.system.kafka_servers, *OUR_TOPICS)
        times = self.copies[number % len(self.copies)]
        chosen = run.random.sample(records, min(len(records), max(1, 500 // times)))
        async with open_books(run.system.kafka_servers, run.ledger) as books:
            for record in chosen:
                for _ in range(times):
                    books.copy(record)
                    self._copied += 1
        await caught_up(run.system)
        return bool(chosen)

    async def conclude(self, run: Run) -> None:
        met = await duplicates_counted(run.system) - self._before
        async with database_of(run.system, "notifications") as connection:
            rows, size = await connection.fetchrow("SELECT greatest(count(*), 1), pg_total_relation_size('inbox') FROM inbox")
        run.figures |= {"copies published": self._copied, "met as duplicates": int(met), "inbox bytes per message": round(size / rows)}
        run.checks["duplicates were met"] = met > 0


class OutOfOrder(Fault):
    """The whole log again in a random order; and invoices that come before the rate they need, with others of their sender behind them."""

    def __init__(self) -> None:
        self._sent = self._shuffled = 0

    async def inject(self, run: Run, number: int) -> bool:
        return await (self._too_early(run, number) if number % 2 == 0 else self._shuffle(run))

    async def _shuffle(self, run: Run) -> bool:
        await caught_up(run.system)
        records = await asyncio.to_thread(read_log, run.system.kafka_servers, *OUR_TOPICS)
        run.random.shuffle(records)
        async with open_books(run.system.kafka_servers, run.ledger) as books:
            for record in records[:2000]:
                books.copy(record)
        self._shuffled += len(records[:2000])
        await caught_up(run.system)
        return bool(records)

    async def _too_early(self, run: Run, number: int) -> bool:
        """Of each sender the first invoice waits for its rate and the others wait behind it; the rate comes, and all follow in order."""
        senders = [f"{run.name}-{number}-{sender}" for sender in range(3)]
        currency = ("USD", "GBP", "CHF", "SEK", "NOK", "DKK", "CZK", "HUF")[number // 2 % 8]
        async with open_books(run.system.kafka_servers, run.ledger) as books:
            for sender in senders:
                books.book(an_invoice(run.grant["code"], f"{sender}-0", currency=currency), key=sender)
                for each in range(1, 5):
                    books.book(an_invoice(run.grant["code"], f"{sender}-{each}"), key=sender)
        self._sent += 5 * len(senders)
        await until_parked(run, "budget", senders, 5 * len(senders))
        rate = {"currency": currency, "value": "4.00", "date": "2011-09-14", "source": run.name}
        await run.clients.post("budget", "/v1/rates", rate)
        await until_parked(run, "budget", senders, 0)
        return True

    async def conclude(self, run: Run) -> None:
        found = await run_items(run, "budget", "/v1/expenditures", grant_id=run.grant["id"])
        early = [each for each in found if each["document"]["number"].startswith(run.name) and each["document"]["number"].count("-") >= 4]
        run.figures |= {"records shuffled": self._shuffled, "invoices too early or behind one": self._sent}
        run.checks["all invoices are declared"] = len(early) == self._sent


async def duplicates_counted(system: System) -> float:
    """By all consumers of all services since their processes started."""
    total = 0.0
    for name, service in system.services.items():
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as client:
            samples = await Endpoint(name, client).metrics()
        total += samples.total("klaster_consumer_handled_total", outcome="duplicate")
    return total


async def until_parked(run: Run, service: str, keys: list[str], wanted: int) -> None:
    """Until so many messages of these keys are parked, by the service's database."""
    given = [key.encode() for key in keys]
    deadline = asyncio.get_running_loop().time() + CONVERGED_SECONDS
    while True:
        async with database_of(run.system, service) as connection:
            parked = await connection.fetchval("SELECT count(*) FROM parked_message WHERE topic = $1 AND key = ANY($2::bytea[])", TOPIC, given)
        if parked == wanted:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"{parked} messages parked where {wanted} were expected")
        await asyncio.sleep(0.1)


async def run_items(run: Run, service: str, path: str, **query: Any) -> list[dict[str, Any]]:
    return await Endpoint(service, run.clients.client(service)).items(path, **query)
