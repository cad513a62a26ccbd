"""The order in which a seed is loaded: what is referred to before what refers to it, and side by side whatever is independent.

The one rule: the outcome depends on the seed alone, not on speed. What competes for the same thing (seats, the money of a line) is loaded in a
fixed order: contacts before what they are told of, money before documents that consume it, the refused event after all that are secured.
"""

import asyncio

from klaster_local.seeding import accounting
from klaster_local.seeding.budget import declared_documents, load_expenditures, load_grant, load_rates
from klaster_local.seeding.doors import Doors
from klaster_local.seeding.events import EventLoader, Surroundings
from klaster_local.seeding.model import Seed
from klaster_local.seeding.partners import load_contacts, load_memberships, load_networks, load_organisations
from klaster_local.seeding.tally import Tally


async def load(seed: Seed, doors: Doors, kafka_servers: str, tally: Tally) -> None:
    """Idempotent: what is there is left as it is. Raises CommandFailed when a service refuses something or stays away."""
    organisations, networks, grant, _ = await asyncio.gather(
        load_organisations(doors.partners, seed.organisations, tally),
        load_networks(doors.partners, seed.networks, tally),
        load_grant(doors.budget, seed.grant, tally),
        load_rates(doors.budget, seed.rates, tally),
    )
    await load_contacts(doors.partners, seed.organisations, organisations, tally)
    around = Surroundings(organisations=organisations, grant=grant, currency=seed.grant.total.currency)
    events = EventLoader(doors.events, around, seed.registrations, tally)
    await events.draft(seed.events)
    await asyncio.gather(
        load_memberships(doors.partners, seed.memberships, organisations, networks, tally),
        events.drive([event for event in seed.events if event.goal != "refused"]),
    )
    await asyncio.gather(
        load_expenditures(doors.budget, seed.expenditures, grant, events.ids, tally),
        _load_invoices(seed, doors, kafka_servers, grant, events.ids, tally),
    )
    await events.drive([event for event in seed.events if event.goal == "refused"])


async def _load_invoices(seed: Seed, doors: Doors, kafka_servers: str, grant: str, events: dict[str, str], tally: Tally) -> None:
    known = await declared_documents(doors.budget, grant)
    missing = []
    for invoice in seed.invoices.invoices:
        was_there = (invoice.number, invoice.issuer, invoice.line) in known
        tally.note("invoices", was_there=was_there)
        if not was_there:
            missing.append(invoice)
    if missing:
        await accounting.book(kafka_servers, missing, source=seed.invoices.source, grant_code=seed.grant.code, events=events)
