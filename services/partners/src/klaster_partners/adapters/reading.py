"""The port `application.queries.Directory` on PostgreSQL. A filter that is not given asks for any value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select

from klaster_partners.adapters.folding import fold
from klaster_partners.adapters.rows import (
    MEMBERSHIPS,
    NETWORKS,
    ORGANISATIONS,
    membership_of,
    network_of,
    organisation_of,
    read_membership,
    read_network,
    read_organisation,
)
from klaster_partners.adapters.tables import MEMBERSHIP, NETWORK, ORGANISATION, TIER_CHANGE
from klaster_partners.application.queries import MembershipsAsked, OrganisationsAsked
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.tiers import Tier
from klaster_shared.db.engine import Connection
from klaster_shared.db.listing import is_given, page
from klaster_shared.db.statements import Statement

_name_part = bindparam("name_part", type_=ORGANISATION.c.folded_names.type)
_ORGANISATIONS = page(
    ORGANISATIONS.where(
        is_given(ORGANISATION.c.country, "country"),
        is_given(ORGANISATION.c.kind, "kind"),
        is_given(ORGANISATION.c.helix, "helix"),
        or_(_name_part.is_(None), func.strpos(ORGANISATION.c.folded_names, _name_part) > 0),
    ),
    ORGANISATION.c.id,
)
_NETWORKS = page(NETWORKS, NETWORK.c.id)

_on = bindparam("on", type_=MEMBERSHIP.c.applied_on.type)
_tier_then = (
    select(TIER_CHANGE.c.tier)
    .where(TIER_CHANGE.c.membership_id == MEMBERSHIP.c.id, TIER_CHANGE.c.effective_on <= _on)
    .order_by(TIER_CHANGE.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
"""The same rule as `Membership.tier_on`; a test holds the two together."""
_MEMBERSHIPS = page(
    MEMBERSHIPS.where(
        MEMBERSHIP.c.applied_on <= _on,
        is_given(MEMBERSHIP.c.organisation_id, "organisation"),
        is_given(MEMBERSHIP.c.network_id, "network"),
        is_given(_tier_then, "tier"),
    ),
    MEMBERSHIP.c.id,
)

_THINGS = Statement(
    select(
        select(func.count()).select_from(ORGANISATION).scalar_subquery().label("organisations"),
        select(func.count()).select_from(NETWORK).scalar_subquery().label("networks"),
    )
)
_tiers_then = select(_tier_then.label("tier")).where(MEMBERSHIP.c.applied_on <= _on).subquery()
_MEMBERSHIPS_BY_TIER = Statement(select(_tiers_then.c.tier, func.count().label("memberships")).group_by(_tiers_then.c.tier))


class StoredDirectory:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def organisation(self, key: OrganisationId) -> Organisation:
        return await read_organisation(self._connection, key)

    async def organisations(self, asked: OrganisationsAsked, *, after: UUID | None, rows: int) -> Sequence[Organisation]:
        found = await _ORGANISATIONS.fetch(
            self._connection,
            country=asked.country,
            kind=asked.kind,
            helix=asked.helix,
            name_part=None if asked.name_part is None else fold(asked.name_part),
            after=after,
            rows=rows,
        )
        return [organisation_of(row) for row in found]

    async def network(self, key: NetworkId) -> Network:
        return await read_network(self._connection, key)

    async def networks(self, *, after: UUID | None, rows: int) -> Sequence[Network]:
        return [network_of(row) for row in await _NETWORKS.fetch(self._connection, after=after, rows=rows)]

    async def membership(self, key: MembershipId) -> Membership:
        return await read_membership(self._connection, key)

    async def memberships(self, asked: MembershipsAsked, *, after: UUID | None, rows: int) -> Sequence[Membership]:
        found = await _MEMBERSHIPS.fetch(
            self._connection,
            on=asked.on,
            organisation=asked.organisation,
            network=asked.network,
            tier=asked.tier,
            after=after,
            rows=rows,
        )
        return [membership_of(row) for row in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    organisations: int
    networks: int
    memberships: Mapping[Tier | None, int]
    """By the tier of the day; None is applied for and not yet in effect."""


async def census(connection: Connection, *, on: date) -> Census:
    things = await _THINGS.fetchrow(connection)
    if things is None:
        raise AssertionError("a SELECT of scalars gives one row")
    rows = await _MEMBERSHIPS_BY_TIER.fetch(connection, on=on)
    return Census(
        organisations=things["organisations"],
        networks=things["networks"],
        memberships={row["tier"] and Tier(row["tier"]): row["memberships"] for row in rows},
    )
