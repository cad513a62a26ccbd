"""What a seed directory says, file by file.

The one rule: everything refers to everything else by key or code, never by an id: ids are the services', and differ on every machine.
"""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from klaster_shared.contracts.bodies import Locale, MoneyValue, RateText
from klaster_shared.contracts.events import EventKind
from klaster_shared.contracts.partners import Helix, OrganisationKind, Size, Tier

type Goal = Literal["completed", "published", "approved", "cancelled", "refused"]
"""Where an event is to end up; `refused` is approved after all others, so that what it falls short by is always the same."""

DecimalText = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$")]
"""Quoted in YAML: as a number it would be a binary fraction."""


def _wall_time(given: object) -> object:
    return f"{given}:00" if isinstance(given, str) and given.count(":") == 1 else given


WallTime = Annotated[dt.datetime, BeforeValidator(_wall_time)]


class Entry(BaseModel):
    """`illustrative` marks what the sources do not say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    illustrative: bool = False


class ContactSeed(Entry):
    name: str
    email: str
    locale: Locale
    roles: list[str]


class IdentifierSeed(Entry):
    scheme: str
    value: str


class OrganisationSeed(Entry):
    key: str
    name: str
    short_name: str | None = None
    kind: OrganisationKind
    country: str
    city: str | None = None
    helix: Helix | None = None
    size: Size | None = None
    identifiers: list[IdentifierSeed] = []
    contacts: list[ContactSeed] = []


class Sector(Entry):
    """`count` members; kind and group are drawn from what is given."""

    count: int
    size: Size | None = None
    kinds: list[OrganisationKind]
    groups: list[Helix]


class MembersSeed(Entry):
    """Members to be generated. `draw` is the seed of the drawing; `name` a format with `number`."""

    draw: int
    name: str
    city: str
    sectors: list[Sector]


class OrganisationsFile(Entry):
    organisations: list[OrganisationSeed]
    members: MembersSeed


class NetworkSeed(Entry):
    code: str
    name: str


class NetworksFile(Entry):
    networks: list[NetworkSeed]


class Decision(Entry):
    tier: Tier
    effective_on: dt.date
    decision: str


class MembershipSeed(Entry):
    organisation: str
    network: str
    applied_on: dt.date
    admitted: Decision
    upgraded: Decision | None = None


class Founders(Entry):
    count: int
    applied_on: dt.date
    admitted: Decision


class ContactPattern(Entry):
    """`name` and `email` are formats with `organisation` and `number`."""

    name: str
    email: str
    roles: list[str]


class Joiners(Entry):
    count: int
    applied_between: tuple[dt.date, dt.date]
    admitted: Decision
    upgraded: Decision
    contact: ContactPattern


class MembershipsOfMembers(Entry):
    """The memberships of the generated members: the first are founders, the last joiners."""

    draw: int
    network: str
    founders: Founders
    joiners: Joiners


class MembershipsFile(Entry):
    memberships: list[MembershipSeed]
    members: MembershipsOfMembers


class LineSeed(Entry):
    code: str
    name: str
    category: str
    planned: DecimalText


class GrantSeed(Entry):
    code: str
    name: str
    funder: str
    total: MoneyValue
    starts_on: dt.date
    ends_on: dt.date
    lines: list[LineSeed]


class RateSeed(Entry):
    currency: str
    value: RateText
    date: dt.date
    source: str


class RatesFile(Entry):
    rates: list[RateSeed]


class TitleSeed(Entry):
    pl: str
    en: str


class EventSeed(Entry):
    """`task` is the project's, 1 to 7. `costs` are amounts by line, in the grant's currency; wall times are those of `time_zone`."""

    key: str
    task: Annotated[int, Field(ge=1, le=7)]
    title: TitleSeed
    kind: EventKind
    public: bool
    host: str
    place: str
    country: str
    time_zone: str
    starts_at: WallTime
    ends_at: WallTime
    capacity: int
    costs: dict[str, DecimalText] = {}
    goal: Goal
    reason: str | None = None

    @property
    def starts(self) -> dt.datetime:
        """As an instant in UTC."""
        return self.starts_at.replace(tzinfo=ZoneInfo(self.time_zone)).astimezone(dt.UTC)

    @property
    def ends(self) -> dt.datetime:
        """As an instant in UTC."""
        return self.ends_at.replace(tzinfo=ZoneInfo(self.time_zone)).astimezone(dt.UTC)


class EventsFile(Entry):
    events: list[EventSeed]


class Role(Entry):
    """People by number. `name` and `email` are formats with `number`; locales take turns; `members`: each belongs to one of the cluster's members."""

    key: str
    name: str
    email: str
    locales: list[Locale]
    members: bool = False


class Attendance(Entry):
    """The numbers `first` to `last` of a role register for an event, in this order; those `withdrawn` give their place up afterwards."""

    event: str
    role: str
    first: int
    last: int
    withdrawn: list[int] = []


class RegistrationsFile(Entry):
    roles: list[Role]
    registrations: list[Attendance]


class RegistrationSeed(Entry):
    """One person at one event."""

    event: str
    name: str
    email: str
    locale: Locale
    organisation: str | None
    withdrawn: bool


class DocumentSeed(Entry):
    number: str
    issued_on: dt.date
    issuer: str


class ExpenditureSeed(Entry):
    line: str
    event: str | None = None
    document: DocumentSeed
    amount: MoneyValue


class ExpendituresFile(Entry):
    expenditures: list[ExpenditureSeed]


class InvoiceSeed(Entry):
    number: str
    issuer: str
    issued_on: dt.date
    line: str
    event: str | None = None
    amount: MoneyValue


class InvoicesFile(Entry):
    """`source` is the CloudEvents source of the accounting system."""

    source: str
    invoices: list[InvoiceSeed]


class Seed(Entry):
    """A whole project: generated parts included, references checked."""

    organisations: list[OrganisationSeed]
    networks: list[NetworkSeed]
    memberships: list[MembershipSeed]
    grant: GrantSeed
    rates: list[RateSeed]
    events: list[EventSeed]
    registrations: list[RegistrationSeed]
    expenditures: list[ExpenditureSeed]
    invoices: InvoicesFile

    def planned(self, line: str) -> Decimal:
        """What the grant plans on a line."""
        return next(Decimal(each.planned) for each in self.grant.lines if each.code == line)
