"""Loading the project and summing it up: what `klaster up` and `klaster seed` have in common."""

from collections.abc import Callable, Mapping

from klaster_local.configuration import Configuration
from klaster_local.endpoints import Endpoint
from klaster_local.seeding.doors import Doors
from klaster_local.seeding.loading import load
from klaster_local.seeding.model import Seed
from klaster_local.seeding.tally import Tally
from klaster_local.settling import settle
from klaster_local.summary import Summary, summarise

type Told = Callable[[str], None]


async def load_project(configuration: Configuration, kafka_servers: str, seed: Seed, *, told: Told) -> Tally:
    """What was found and what was added; `told` hears of it in words."""
    tally = Tally(lambda so_far: told(words_of(so_far)))
    async with Doors.open(configuration) as doors:
        await load(seed, doors, kafka_servers, tally)
    return tally


async def settled_summary(services: Mapping[str, Endpoint], kafka_servers: str, *, told: Told) -> Summary:
    """The figures once every message has had its effect."""
    look = await settle(services, kafka_servers, show=told)
    return await summarise(services, look.ends)


def words_of(tally: Tally) -> str:
    """`78 organisations, 199 registrations added`, or that nothing was."""
    added = ", ".join(f"{number} {kind.removesuffix('s') if number == 1 else kind}" for kind, number in tally.added.items())
    return f"{added} added" if added else f"{tally.found.total()} things are there already"
