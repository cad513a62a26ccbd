"""What can be asked of the partners service without changing it. Lists are ordered by id and read in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import Helix, OrganisationKind
from klaster_partners.domain.tiers import Tier
from klaster_shared.countries import Country


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationsAsked:
    """None asks for any. `name_part` is compared without case and diacritics, with the name and the short name."""

    country: Country | None = None
    kind: OrganisationKind | None = None
    helix: Helix | None = None
    name_part: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipsAsked:
    """Those that were applied for by the day `on`, and, when `tier` is given, were of that tier on it. None asks for any."""

    on: date
    organisation: OrganisationId | None = None
    network: NetworkId | None = None
    tier: Tier | None = None


class Directory(Protocol):
    """One thing by its id raises NotFound. In lists `after` is the last id of the page before, `rows` the most that are given."""

    async def organisation(self, key: OrganisationId) -> Organisation: ...
    async def organisations(self, asked: OrganisationsAsked, *, after: UUID | None, rows: int) -> Sequence[Organisation]: ...
    async def network(self, key: NetworkId) -> Network: ...
    async def networks(self, *, after: UUID | None, rows: int) -> Sequence[Network]: ...
    async def membership(self, key: MembershipId) -> Membership: ...
    async def memberships(self, asked: MembershipsAsked, *, after: UUID | None, rows: int) -> Sequence[Membership]: ...
