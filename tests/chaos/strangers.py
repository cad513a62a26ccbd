"""What strangers send: types nobody knows, versions nobody has, bodies that are too large; and what piles up while nobody reads."""

import asyncio
import json
import secrets
import time
from typing import Final

import httpx
import psutil

from klaster_shared.testing.accounting import TOPIC, TYPE, headers_of
from tests.chaos.books import DECLARED, Books, an_invoice, open_books
from tests.chaos.engines import at_work, until
from tests.chaos.resending import run_items
from tests.chaos.running import LONG, SHORT, Fault, Run
from tests.chaos.state import caught_up, database_of

LARGEST_VALUE: Final = 256 * 1024
LARGEST_BODY: Final = 1024 * 1024
TOO_LARGE: Final = 413
HUGE_BODY: Final = 50 * 1024 * 1024
SAMPLE_SECONDS: Final = 0.05
SENDERS: Final = 100
MIB: Final = 2**20
ALLOWED_GROWTH_MIB: Final = 150


class Incompatible(Fault):
    """Unknown types, versions from the future and bodies of another shape, each between good invoices of its own key."""

    mix = "contacts"

    kinds: Final = ("unknown type", "newer version", "wrong shape", "more fields", "no type", "not CloudEvents")

    def __init__(self) -> None:
        self._expected: dict[str, str | None] = {}
        self._good: set[str] = set()

    async def inject(self, run: Run, number: int) -> bool:
        kind, key = self.kinds[number % len(self.kinds)], f"{run.name}-{number}"
        async with open_books(run.system.kafka_servers, run.ledger) as books:
            self._stranger(books, run, kind, key)
            for each in range(3):
                self._good.add(f"{key}-good-{each}")
                books.book(an_invoice(run.grant["code"], f"{key}-good-{each}"), key=f"{key}-other")
        await caught_up(run.system)
        return await self._seen(run, key)

    def _stranger(self, books: Books, run: Run, kind: str, key: str) -> None:
        name, invoice = secrets.token_hex(8), an_invoice(run.grant["code"], f"{key}-odd")
        headers = dict(headers_of(message_id=name, subject=key))
        if kind == "more fields":
            self._expected[key] = None
            self._good.add(f"{key}-odd")
            books.send(
                json.dumps({**invoice, "of_the_future": 1}).encode(),
                list(headers.items()),
                key=key.encode(),
                name=name,
                body=invoice,
                expect=DECLARED,
            )
            return
        changed = {
            "unknown type": ({**headers, "ce_type": b"pl.lifescience.inbound.InvoiceShredded.v1"}, invoice, None),
            "newer version": ({**headers, "ce_type": TYPE.replace(".v1", ".v2").encode()}, invoice, None),
            "wrong shape": (headers, {"invoice_number": f"{key}-odd"}, "schema"),
            "no type": ({each: value for each, value in headers.items() if each != "ce_type"}, invoice, "undecodable"),
            "not CloudEvents": ({}, invoice, "undecodable"),
        }
        made, body, self._expected[key] = changed[kind]
        books.send(json.dumps(body).encode(), list(made.items()), key=key.encode(), name=name, service="poison")

    async def _seen(self, run: Run, key: str) -> bool:
        """Whether it was classified as it should be: parked for this reason, or passed over."""
        async with database_of(run.system, "budget") as connection:
            reason = await connection.fetchval("SELECT reason FROM parked_message WHERE topic = $1 AND key = $2", TOPIC, key.encode())
        return bool(reason == self._expected[key])

    async def conclude(self, run: Run) -> None:
        declared = {each["document"]["number"] for each in await run_items(run, "budget", "/v1/expenditures", grant_id=run.grant["id"])}
        run.figures |= {"good messages beside them": len(self._good), "declared of these": len(self._good & declared)}
        run.checks["good input is not blocked"] = self._good <= declared


class Huge(Fault):
    """Messages and requests at the limit, one byte over it, and far over it."""

    mix = "contacts"

    def __init__(self) -> None:
        self._peak = 0.0
        self._grown = 0.0

    async def inject(self, run: Run, number: int) -> bool:
        process = psutil.Process(run.system.services["budget"].pid)
        before = _resident(process)
        watching = asyncio.create_task(self._watch(process))
        try:
            kinds = (self._at_the_limit, self._one_over, self._as_large_as_brokers_take, self._request, self._huge_request)
            return await kinds[number % len(kinds)](run, f"{run.name}-{number}")
        finally:
            watching.cancel()
            self._grown = max(self._grown, self._peak - before)

    async def _at_the_limit(self, run: Run, key: str) -> bool:
        await self._publish(run, key, LARGEST_VALUE, DECLARED)
        found = await run_items(run, "budget", "/v1/expenditures", grant_id=run.grant["id"])
        return any(each["document"]["number"] == key for each in found)

    async def _one_over(self, run: Run, key: str) -> bool:
        return await self._parked(run, key, LARGEST_VALUE + 1)

    async def _as_large_as_brokers_take(self, run: Run, key: str) -> bool:
        return await self._parked(run, key, 1_000_000)

    async def _parked(self, run: Run, key: str, size: int) -> bool:
        await self._publish(run, key, size, "parked")
        async with database_of(run.system, "budget") as connection:
            return bool(
                await connection.fetchval("SELECT reason FROM parked_message WHERE topic = $1 AND key = $2", TOPIC, key.encode()) == "too-large"
            )

    async def _publish(self, run: Run, key: str, size: int, expect: str) -> None:
        invoice = an_invoice(run.grant["code"], key)
        bare = len(json.dumps({**invoice, "padding": ""}).encode())
        value = json.dumps({**invoice, "padding": "x" * (size - bare)}).encode()
        name = secrets.token_hex(8)
        service = "accounting" if expect == DECLARED else "poison"
        async with open_books(run.system.kafka_servers, run.ledger) as books:
            made = headers_of(message_id=name, subject=key)
            books.send(value, made, key=key.encode(), name=name, body=invoice if expect == DECLARED else None, expect=expect, service=service)
        await caught_up(run.system)

    async def _request(self, run: Run, _: str) -> bool:
        return await self._refused(run, LARGEST_BODY + 1)

    async def _huge_request(self, run: Run, _: str) -> bool:
        return await self._refused(run, HUGE_BODY)

    async def _refused(self, run: Run, size: int) -> bool:
        """A server that has seen enough may end the connection while the client still sends."""
        try:
            answer = await run.clients.client("budget").post("/v1/expenditures", content=b"x" * size, headers={"Content-Type": "application/json"})
        except httpx.TransportError:
            return True
        return answer.status_code == TOO_LARGE

    async def _watch(self, process: psutil.Process) -> None:
        while True:
            self._peak = max(self._peak, _resident(process))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def conclude(self, run: Run) -> None:
        run.figures |= {"resident at most (MiB)": round(self._peak), "grown by at most (MiB)": round(self._grown)}
        run.checks[f"memory grows by at most {ALLOWED_GROWTH_MIB} MiB"] = self._grown <= ALLOWED_GROWTH_MIB


class Backlog(Fault):
    """Nobody reads while messages pile up; then one process works them off, and everybody else goes on as before."""

    mix = "contacts"

    def __init__(self, *, short: int, long: int) -> None:
        self._messages = {SHORT: short, LONG: long}
        self._rates: list[float] = []
        self._peak = self._before = 0.0

    async def inject(self, run: Run, number: int) -> bool:
        budget = run.system.services["budget"]
        budget.kill()
        count = self._messages[run.tier]
        async with open_books(run.system.kafka_servers, run.ledger) as books:
            for each in range(count):
                books.book(an_invoice(run.grant["code"], f"{run.name}-{number}-{each}", "0.01"), key=f"{run.name}-{each % SENDERS}")
                if each % 50 == 0:
                    await asyncio.sleep(0)
        budget.begin()
        await until(lambda: bool(budget.report()), what="budget ready")
        process = psutil.Process(budget.pid)
        self._before = _resident(process)
        watching = asyncio.create_task(self._watch(process))
        began = time.monotonic()
        await caught_up(run.system)
        self._rates.append(count / (time.monotonic() - began))
        watching.cancel()
        await at_work(budget)
        return True

    async def _watch(self, process: psutil.Process) -> None:
        while True:
            self._peak = max(self._peak, _resident(process))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def conclude(self, run: Run) -> None:
        run.figures |= {
            "backlog (messages)": self._messages[run.tier],
            "worked off (messages/s)": round(min(self._rates)),
            "resident before (MiB)": round(self._before),
            "resident at most (MiB)": round(self._peak),
        }
        run.checks[f"memory grows by at most {ALLOWED_GROWTH_MIB} MiB"] = self._peak - self._before <= ALLOWED_GROWTH_MIB


def _resident(process: psutil.Process) -> float:
    """The service's process is a child of the tether's; both names are its own."""
    return float(process.memory_info().rss) / MIB
