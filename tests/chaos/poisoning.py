"""One message in so many that cannot be handled, and what it costs the others.

The one rule: the same invoices, at the same pace, once without poison and once with it. Delays are compared between the two, on keys that hold
no poison; after the fix and a retry, the same documents must be declared.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from klaster_local.endpoints import Endpoint
from klaster_local.failures import CommandFailed
from klaster_shared.contracts.topics import BUDGET_EXPENDITURE
from klaster_shared.testing.accounting import SOURCE, TOPIC, headers_of
from klaster_shared.testing.log import read_log
from tests.chaos.books import Books, an_invoice, open_books
from tests.chaos.engines import at_work
from tests.chaos.ledger import Json
from tests.chaos.load import a_grant
from tests.chaos.resending import CONVERGED_SECONDS, run_items
from tests.chaos.results import percentile
from tests.chaos.running import LONG, SHORT, Fault, Run
from tests.chaos.state import caught_up, database_of

SENDERS: Final = 200
NEW_SOURCE: Final = "/accounting/new"
ALLOWED_EXTRA_SECONDS: Final = 0.1
KINDS: Final = ("unknown grant", "unknown source", "bad JSON", "wrong schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One run of invoices on a grant of its own. `later` is the code of a grant that is registered only as the fix."""

    name: str
    grant: str
    later: str
    count: int
    rate: float
    poisoned: frozenset[int]


class Poison(Fault):
    """Each injection is one poison; all of them are spread over the second of two series."""

    mix = "contacts"

    def __init__(self, *, short: int, long: int, rate: float) -> None:
        """`short`, `long`: invoices for each poison."""
        self._per_poison = {SHORT: short, LONG: long}
        self._rate = rate
        self._series: list[Series] = []
        self._bad: list[bytes] = []

    async def inject(self, run: Run, number: int) -> bool:
        """The first call runs both series with all poison; each call says whether its own was parked."""
        if number == 0:
            await self._both(run)
        return number < len(self._bad)

    async def _both(self, run: Run) -> None:
        poisons = run.size.injections
        count = poisons * self._per_poison[run.tier]
        poisoned = frozenset(run.random.sample(range(count // 10, count), poisons))
        for name, chosen in (("plain", frozenset[int]()), ("poisoned", poisoned)):
            given = a_grant(f"{run.name}-{name}")
            await run.clients.post("budget", "/v1/grants", given)
            self._series.append(
                Series(name=f"{run.name}-{name}", grant=given["code"], later=f"{given['code']}-LATER", count=count, rate=self._rate, poisoned=chosen)
            )
            async with open_books(run.system.kafka_servers, run.ledger) as books:
                await self._publish(books, self._series[-1])
            await caught_up(run.system)
        async with database_of(run.system, "budget") as connection:
            heads = await connection.fetch(
                "SELECT DISTINCT ON (key) key FROM parked_message WHERE topic = $1 AND key LIKE $2 AND state <> 'waiting'",
                TOPIC,
                f"{run.name}-poisoned%".encode(),
            )
        self._bad = self._bad if len(heads) >= len({each % SENDERS for each in poisoned}) else []

    async def _publish(self, books: Books, series: Series) -> None:
        began = time.monotonic()
        for number in range(series.count):
            key = f"{series.name}-sender-{number % SENDERS}"
            if number in series.poisoned:
                self._bad.append(self._poison(books, series, number, key))
            else:
                books.book(an_invoice(series.grant, f"{series.name}-{number}"), key=key)
            await asyncio.sleep(max(0.0, began + (number + 1) / series.rate - time.monotonic()))

    def _poison(self, books: Books, series: Series, number: int, key: str) -> bytes:
        kind = KINDS[len(self._bad) % len(KINDS)]
        invoice = an_invoice(series.grant, f"{series.name}-{number}")
        if kind == "unknown grant":
            books.book({**invoice, "grant_code": series.later}, key=key)
        elif kind == "unknown source":
            books.book(invoice, key=key, source=NEW_SOURCE)
        else:
            value = b"{" if kind == "bad JSON" else json.dumps({**invoice, "amount": None}).encode()
            name = secrets.token_hex(8)
            books.send(value, headers_of(message_id=name, subject=key, source=SOURCE), key=key.encode(), name=name, service="poison")
        return key.encode()

    async def mend(self, run: Run) -> None:
        """The grant is registered, the source is allowed, what can never be handled is skipped; everything else is retried."""
        _plain, poisoned = self._series
        await run.clients.post("budget", "/v1/grants", {**a_grant(poisoned.name), "code": poisoned.later})
        budget = run.system.services["budget"]
        budget.kill()
        budget.begin(BUDGET_ACCOUNTING_SOURCES=f"{SOURCE},{NEW_SOURCE}")
        await at_work(budget)
        endpoint = Endpoint("budget", run.clients.client("budget"))
        deadline = time.monotonic() + CONVERGED_SECONDS
        while heads := [each for each in await endpoint.parked() if (each["key"] or "").startswith(poisoned.name)]:
            assert time.monotonic() < deadline, f"{len(heads)} messages are still parked"
            for head in heads:
                if head["state"] == "waiting":
                    continue
                await self._decide(endpoint, head)
            await asyncio.sleep(0.2)

    async def _decide(self, endpoint: Endpoint, head: Json) -> None:
        """An operator's decision on the head of a queue; the unparker may have been there first."""
        path = f"/admin/parked/{head['id']}"
        with suppress(CommandFailed):
            if head["reason"] in {"undecodable", "schema"}:
                await endpoint.post(f"{path}/skip", {"reason": "It cannot be read."})
            else:
                await endpoint.post(f"{path}/retry")

    async def conclude(self, run: Run) -> None:
        plain, poisoned = self._series
        records = await asyncio.to_thread(read_log, run.system.kafka_servers, TOPIC, BUDGET_EXPENDITURE)
        delays = {series.name: list(_delays(records, series, apart_from={key.decode() for key in self._bad})) for series in self._series}
        without, with_poison = (percentile(delays[series.name], 99) for series in self._series)
        run.figures |= {
            "invoices in each series": plain.count,
            "invoices/s": self._rate,
            "p99 without poison (ms)": round(without * 1000, 1),
            "p99 of other keys with poison (ms)": round(with_poison * 1000, 1),
            "added at p99 (ms)": round((with_poison - without) * 1000, 1),
            "ratio at p99": round(with_poison / without, 2) if without else 0.0,
        }
        declared = [await self._declared(run, series) for series in self._series]
        unreadable = sum(1 for index in range(len(self._bad)) if KINDS[index % len(KINDS)] in {"bad JSON", "wrong schema"})
        missing = set(declared[0] - declared[1])
        run.checks["after fix and retry the same documents are declared"] = (
            len(declared[0]) == plain.count and not declared[1] - declared[0] and missing <= poisoned.poisoned and len(missing) == unreadable
        )
        if run.is_long:
            run.checks[f"other keys wait at most {ALLOWED_EXTRA_SECONDS * 1000:g} ms longer at p99"] = with_poison - without <= ALLOWED_EXTRA_SECONDS

    async def _declared(self, run: Run, series: Series) -> set[int]:
        """Numbers of the series' documents that are declared, whatever grant they are on."""
        grants = {grant["code"]: grant["id"] for grant in await run_items(run, "budget", "/v1/grants")}
        found = [
            each
            for code in (series.grant, series.later)
            if code in grants
            for each in await run_items(run, "budget", "/v1/expenditures", grant_id=grants[code])
        ]
        return {int(each["document"]["number"].rpartition("-")[2]) for each in found}


def _delays(records: list[Any], series: Series, apart_from: set[str]) -> Iterator[float]:
    """Seconds from an invoice's record to the record of its expenditure, for keys without poison. One sender's poison delays that sender."""
    booked: dict[str, int] = {}
    for record in records:
        if record.topic() == TOPIC and (key := (record.key() or b"").decode()).startswith(f"{series.name}-"):
            if key not in apart_from:
                booked[json.loads(record.value())["invoice_number"]] = record.timestamp()[1]
        elif record.topic() == BUDGET_EXPENDITURE and (number := json.loads(record.value())["document"]["number"]) in booked:
            yield (record.timestamp()[1] - booked.pop(number)) / 1000
