"""Events and their registrations: drafted, then driven step by step to where the seed wants them.

The one rule: on one event everything happens in order, so that who is confirmed and who waits is the same in every loading, disturbed or not;
different events go side by side.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from klaster_local.failures import CommandFailed
from klaster_local.seeding.doors import Door, Json, Resource
from klaster_local.seeding.model import EventSeed, RegistrationSeed
from klaster_local.seeding.steps import Step, next_step
from klaster_local.seeding.tally import Tally
from klaster_shared.contracts.bodies import instant, instant_text

ANSWER_WITHIN_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an event refers to: ids by key, and the grant with its currency."""

    organisations: Mapping[str, str]
    grant: str
    currency: str


class EventLoader:
    """Loads the events of one seed; `ids` are known after `draft`."""

    def __init__(self, events: Door, surroundings: Surroundings, registrations: Sequence[RegistrationSeed], tally: Tally) -> None:
        self._door = events
        self._around = surroundings
        self._registrations = registrations
        self._tally = tally
        self.ids: dict[str, str] = {}

    async def draft(self, seeds: Sequence[EventSeed]) -> None:
        """Makes sure that all events exist. An event is known by its Polish title and its start."""
        known = {(each["title"]["pl"], instant(each["starts_at"])): each["id"] for each in await self._door.items("/v1/events")}

        async def load(seed: EventSeed) -> str:
            there = known.get((seed.title.pl, seed.starts))
            self._tally.note("events", was_there=there is not None)
            return there or (await self._door.post("/v1/events", self._event(seed))).id

        found = await asyncio.gather(*map(load, seeds))
        self.ids |= {seed.key: each for seed, each in zip(seeds, found, strict=True)}

    async def drive(self, seeds: Sequence[EventSeed]) -> None:
        """Brings all events to their goals, as far as they can still get there."""
        await asyncio.gather(*map(self._drive, seeds))

    async def _drive(self, seed: EventSeed) -> None:
        path = f"/v1/events/{self.ids[seed.key]}"
        event, registered = await self._door.get(path), False
        while True:
            if event.body["status"] == "published" and not registered:
                await self._register(seed, path)
                event, registered = await self._door.get(path), True
            step = next_step(event.body, seed.goal, registered=registered)
            if step is None:
                return
            if step is Step.WAIT:
                event = await self._answered(path)
            else:
                body = {"reason": seed.reason} if step is Step.CANCEL else None
                event = await self._door.post(f"{path}/{step}", body, version=event.version)

    async def _answered(self, path: str) -> Resource:
        """The event once budget has answered, or its deadline has passed."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                while True:
                    event = await self._door.get(path)
                    if event.body["financing"] != "pending":
                        return event
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise CommandFailed(f"Budget has not answered the approval of {path} within {ANSWER_WITHIN_SECONDS:g} s; see `klaster status`.") from None

    async def _register(self, seed: EventSeed, path: str) -> None:
        """A registration is known by its address, whatever has become of it."""
        known = {each["email"]: each for each in await self._door.items(f"{path}/registrations")}
        wanted = [each for each in self._registrations if each.event == seed.key]
        for each in wanted:
            was_there = each.email in known
            self._tally.note("registrations", was_there=was_there)
            if not was_there:
                known[each.email] = (await self._door.post(f"{path}/registrations", self._registration(each))).body
        for each in wanted:
            if each.withdrawn and known[each.email]["status"] in {"confirmed", "waitlisted"}:
                await self._door.post(f"/v1/registrations/{known[each.email]['id']}/withdraw")

    def _event(self, seed: EventSeed) -> Json:
        body = seed.model_dump(mode="json", include={"title", "kind", "public", "place", "country", "time_zone", "capacity"})
        body["title"].pop("illustrative")
        body |= {
            "host_organisation_id": self._around.organisations[seed.host],
            "starts_at": instant_text(seed.starts),
            "ends_at": instant_text(seed.ends),
        }
        if seed.costs:
            amounts = {line: {"amount": amount, "currency": self._around.currency} for line, amount in seed.costs.items()}
            body |= {"grant_id": self._around.grant, "costs": [{"line_code": line, "amount": amount} for line, amount in amounts.items()]}
        return body

    def _registration(self, seed: RegistrationSeed) -> Json:
        body: Json = {"name": seed.name, "email": seed.email, "locale": seed.locale}
        return body | ({"organisation_id": self._around.organisations[seed.organisation]} if seed.organisation else {})
