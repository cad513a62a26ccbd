"""What use cases need from outside, in domain words. The edge opens the work and commits it; a use case does neither."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from klaster_partners.domain.identifiers import Identifier
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_shared.clock import Instant


class Organisations(Protocol):
    async def get(self, key: OrganisationId, expected: int | None = None) -> Organisation:
        """With its contacts. Raises NotFound, and StaleVersion when it is not in the `expected` version."""

    async def holder_of(self, identifiers: Sequence[Identifier]) -> tuple[Identifier, OrganisationId] | None:
        """The first of `identifiers` that an organisation is registered with, and that organisation."""

    async def save(self, organisation: Organisation) -> None:
        """Raises StaleVersion when it was stored by somebody else since it was read."""


class Networks(Protocol):
    async def get(self, key: NetworkId) -> Network:
        """Raises NotFound."""

    async def coded(self, code: str) -> NetworkId | None:
        """The network with that code."""

    async def save(self, network: Network) -> None: ...


class Memberships(Protocol):
    async def get(self, key: MembershipId, expected: int | None = None) -> Membership:
        """With its history. Raises NotFound, and StaleVersion when it is not in the `expected` version."""

    async def joining(self, organisation: OrganisationId, network: NetworkId) -> MembershipId | None:
        """The membership of the organisation in the network."""

    async def save(self, membership: Membership) -> None:
        """Raises StaleVersion when it was stored by somebody else since it was read."""


class PartnersWork(Protocol):
    """One transaction. `now` is its one instant, `today` the day in Europe/Warsaw, `actor` who asked for it."""

    @property
    def now(self) -> Instant: ...
    @property
    def today(self) -> date: ...
    @property
    def actor(self) -> str: ...
    @property
    def organisations(self) -> Organisations: ...
    @property
    def networks(self) -> Networks: ...
    @property
    def memberships(self) -> Memberships: ...
