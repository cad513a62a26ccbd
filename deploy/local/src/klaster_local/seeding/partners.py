"""Organisations, contacts, networks and memberships: looked up by what people call them, then posted."""

import asyncio
from collections.abc import Mapping, Sequence

from klaster_local.seeding.doors import Door, Json
from klaster_local.seeding.model import ContactSeed, Decision, MembershipSeed, NetworkSeed, OrganisationSeed
from klaster_local.seeding.tally import Tally

RANKS = ("observer", "associate", "full")


async def load_organisations(partners: Door, seeds: Sequence[OrganisationSeed], tally: Tally) -> dict[str, str]:
    """The ids by key. An organisation is known by one of its identifiers, else by its exact name."""
    known = await partners.items("/v1/organisations")
    by_name = {each["name"]: each["id"] for each in known}
    by_identifier = {(number["scheme"], number["value"]): each["id"] for each in known for number in each["identifiers"]}

    async def load(seed: OrganisationSeed) -> str:
        numbers = [(number.scheme, number.value) for number in seed.identifiers]
        there = next((by_identifier[number] for number in numbers if number in by_identifier), by_name.get(seed.name))
        tally.note("organisations", was_there=there is not None)
        return there or (await partners.post("/v1/organisations", _organisation(seed))).id

    ids = await asyncio.gather(*map(load, seeds))
    return {seed.key: found for seed, found in zip(seeds, ids, strict=True)}


async def load_contacts(partners: Door, seeds: Sequence[OrganisationSeed], organisations: Mapping[str, str], tally: Tally) -> None:
    """One organisation's contacts one after another: they share its version."""

    async def load(seed: OrganisationSeed) -> None:
        path = f"/v1/organisations/{organisations[seed.key]}/contacts"
        known = {each["email"] for each in await partners.items(path)}
        for contact in seed.contacts:
            tally.note("contacts", was_there=contact.email in known)
            if contact.email not in known:
                await partners.post(path, _contact(contact))

    await asyncio.gather(*(load(seed) for seed in seeds if seed.contacts))


async def load_networks(partners: Door, seeds: Sequence[NetworkSeed], tally: Tally) -> dict[str, str]:
    """The ids by code."""
    known = {each["code"]: each["id"] for each in await partners.items("/v1/networks")}
    for seed in seeds:
        tally.note("networks", was_there=seed.code in known)
        if seed.code not in known:
            known[seed.code] = (await partners.post("/v1/networks", {"code": seed.code, "name": seed.name})).id
    return known


async def load_memberships(
    partners: Door, seeds: Sequence[MembershipSeed], organisations: Mapping[str, str], networks: Mapping[str, str], tally: Tally
) -> None:
    """A membership is known by organisation and network; what of its history is missing is added."""
    known = {(each["organisation_id"], each["network_id"]): each for each in await partners.items("/v1/memberships")}

    async def load(seed: MembershipSeed) -> None:
        organisation, network = organisations[seed.organisation], networks[seed.network]
        there = known.get((organisation, network))
        tally.note("memberships", was_there=there is not None)
        if there is None:
            body = {"organisation_id": organisation, "network_id": network, "applied_on": seed.applied_on.isoformat()}
            there = (await partners.post("/v1/memberships", body)).body
        tier = there["history"][-1]["tier"] if there["history"] else None
        if tier is None:
            await partners.post(f"/v1/memberships/{there['id']}/admit", _decision(seed.admitted))
            tier = seed.admitted.tier
        if seed.upgraded is not None and RANKS.index(seed.upgraded.tier) > RANKS.index(tier):
            await partners.post(f"/v1/memberships/{there['id']}/upgrade", _decision(seed.upgraded))

    await asyncio.gather(*map(load, seeds))


def _organisation(seed: OrganisationSeed) -> Json:
    given = seed.model_dump(include={"name", "short_name", "kind", "country", "city", "helix", "size"}, exclude_none=True)
    return {**given, "identifiers": [{"scheme": number.scheme, "value": number.value} for number in seed.identifiers]}


def _contact(seed: ContactSeed) -> Json:
    return seed.model_dump(include={"name", "email", "locale", "roles"})


def _decision(seed: Decision) -> Json:
    return {"tier": seed.tier, "effective_on": seed.effective_on.isoformat(), "decision": seed.decision}
