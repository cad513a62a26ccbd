"""The grant, the exchange rates, and the documents of money spent that the office enters."""

import asyncio
from collections.abc import Mapping, Sequence

from klaster_local.seeding.doors import Door, Json
from klaster_local.seeding.model import ExpenditureSeed, GrantSeed, RateSeed
from klaster_local.seeding.tally import Tally


async def load_grant(budget: Door, seed: GrantSeed, tally: Tally) -> str:
    """The id. A grant is known by its code."""
    known = {each["code"]: each["id"] for each in await budget.items("/v1/grants")}
    tally.note("grants", was_there=seed.code in known)
    return known.get(seed.code) or (await budget.post("/v1/grants", _grant(seed))).id


async def load_rates(budget: Door, seeds: Sequence[RateSeed], tally: Tally) -> None:
    """A rate is known by currency, day and source."""
    known = {(each["currency"], each["date"], each["source"]) for each in await budget.items("/v1/rates")}
    for seed in seeds:
        day = seed.date.isoformat()
        was_there = (seed.currency, day, seed.source) in known
        tally.note("rates", was_there=was_there)
        if not was_there:
            await budget.post("/v1/rates", {"currency": seed.currency, "value": format(seed.value, "f"), "date": day, "source": seed.source})


async def load_expenditures(budget: Door, seeds: Sequence[ExpenditureSeed], grant: str, events: Mapping[str, str], tally: Tally) -> None:
    """A document is known by its number, its issuer and the line it is declared on."""
    known = await declared_documents(budget, grant)

    async def load(seed: ExpenditureSeed) -> None:
        was_there = (seed.document.number, seed.document.issuer, seed.line) in known
        tally.note("expenditures", was_there=was_there)
        if not was_there:
            await budget.post("/v1/expenditures", _expenditure(seed, grant, events))

    await asyncio.gather(*map(load, seeds))


async def declared_documents(budget: Door, grant: str) -> set[tuple[str, str, str]]:
    """Number, issuer and line of every document that is declared."""
    declared = await budget.items("/v1/expenditures", grant_id=grant)
    return {(each["document"]["number"], each["document"]["issuer"], each["line_code"]) for each in declared}


def _grant(seed: GrantSeed) -> Json:
    currency = seed.total.currency
    return {
        "code": seed.code,
        "name": seed.name,
        "funder": seed.funder,
        "total": seed.total.model_dump(mode="json"),
        "starts_on": seed.starts_on.isoformat(),
        "ends_on": seed.ends_on.isoformat(),
        "lines": [
            {"code": line.code, "name": line.name, "category": line.category, "planned": {"amount": line.planned, "currency": currency}}
            for line in seed.lines
        ],
    }


def _expenditure(seed: ExpenditureSeed, grant: str, events: Mapping[str, str]) -> Json:
    body: Json = {
        "grant_id": grant,
        "line_code": seed.line,
        "document": {"number": seed.document.number, "issued_on": seed.document.issued_on.isoformat(), "issuer": seed.document.issuer},
        "amount": seed.amount.model_dump(mode="json"),
    }
    return body | ({"event_id": events[seed.event]} if seed.event else {})
