"""From a seed directory to a seed: files read, parts generated, and every reference followed once before anything is posted."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from klaster_local.failures import CommandFailed
from klaster_local.seeding.generating import generated_members, generated_memberships, generated_registrations, with_contacts
from klaster_local.seeding.model import (
    EventsFile,
    ExpendituresFile,
    GrantSeed,
    InvoicesFile,
    MembershipsFile,
    NetworksFile,
    OrganisationsFile,
    RatesFile,
    RegistrationsFile,
    Seed,
)


def read_seed(directory: Path) -> Seed:
    """Raises CommandFailed, naming file and field, for a file that is missing, no YAML, or not of the expected shape, and for a broken reference."""
    organisations = _read(directory / "organisations.yaml", OrganisationsFile)
    memberships = _read(directory / "memberships.yaml", MembershipsFile)
    registrations = _read(directory / "registrations.yaml", RegistrationsFile)
    members = with_contacts(generated_members(organisations.members), memberships.members)
    try:
        seed = Seed(
            organisations=[*organisations.organisations, *members],
            networks=_read(directory / "networks.yaml", NetworksFile).networks,
            memberships=[*memberships.memberships, *generated_memberships(members, memberships.members)],
            grant=_read(directory / "grant.yaml", GrantSeed),
            rates=_read(directory / "rates.yaml", RatesFile).rates,
            events=_read(directory / "events.yaml", EventsFile).events,
            registrations=list(generated_registrations(registrations.roles, registrations.registrations, members)),
            expenditures=_read(directory / "expenditures.yaml", ExpendituresFile).expenditures,
            invoices=_read(directory / "invoices.yaml", InvoicesFile),
        )
    except ValueError as error:
        raise CommandFailed(f"The seed in {directory} does not fit together: {error}.") from error
    if broken := list(broken_references(seed)):
        raise CommandFailed(f"The seed in {directory} does not fit together: {broken[0]}.", "\n".join(broken[1:]))
    return seed


def broken_references(seed: Seed) -> Iterator[str]:
    """One sentence per reference to something that the seed does not have."""
    organisations = {each.key for each in seed.organisations}
    networks = {each.code for each in seed.networks}
    events = {each.key for each in seed.events}
    lines = {each.code for each in seed.grant.lines}
    for membership in seed.memberships:
        yield from _unknown("a membership", "organisation", [membership.organisation], organisations)
        yield from _unknown("a membership", "network", [membership.network], networks)
    for event in seed.events:
        yield from _unknown(event.key, "organisation", [event.host], organisations)
        yield from _unknown(event.key, "line", event.costs, lines)
        if (event.goal == "cancelled") != (event.reason is not None):
            yield f"{event.key}: a reason belongs to the goal cancelled, and to no other"
    documents = [(each.line, each.event) for each in seed.expenditures] + [(each.line, each.event) for each in seed.invoices.invoices]
    for line, event_key in documents:
        yield from _unknown("a document", "line", [line], lines)
        yield from _unknown("a document", "event", [event_key] if event_key else [], events)
    yield from _unknown("a registration", "event", sorted({each.event for each in seed.registrations}), events)


def _unknown(where: str, what: str, named: Iterable[str], known: set[str]) -> Iterator[str]:
    return (f"{where} names the {what} {name}, which is not there" for name in named if name not in known)


def _read[M: BaseModel](file: Path, shape: type[M]) -> M:
    try:
        return shape.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_url=False)]
        raise CommandFailed(f"{file} is not of the expected shape: {problems[0]}", "\n".join(problems[1:])) from error
