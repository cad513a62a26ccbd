"""How stored rows become aggregates, for commands and for queries alike.

The one rule: an aggregate is selected whole in one statement, so that its parts and its version are of one moment.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Table, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from klaster_partners.adapters.tables import CONTACT, IDENTIFIER, MEMBERSHIP, NETWORK, ORGANISATION, TIER_CHANGE
from klaster_partners.domain.contacts import Contact, EmailAddress, Locale
from klaster_partners.domain.identifiers import Identifier, Scheme
from klaster_partners.domain.ids import ContactId, MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.network import Network
from klaster_partners.domain.organisation import Organisation
from klaster_partners.domain.profiles import Helix, OrganisationKind, Profile, Size
from klaster_partners.domain.tiers import Tier, TierChange
from klaster_shared.clock import Instant
from klaster_shared.countries import Country
from klaster_shared.db.engine import Connection
from klaster_shared.db.statements import Row, Statement
from klaster_shared.errors import NotFound


def _parts(table: Table, belongs: ColumnElement[bool], order: ColumnElement[Any]) -> ColumnElement[str | None]:
    """The rows of `table` that belong to the selected one, as the text of a JSON array of objects; null when there are none."""
    listed = cast(func.json_agg(aggregate_order_by(table.table_valued(), order)), Text)
    return select(listed).where(belongs).scalar_subquery().label(table.name)


ORGANISATIONS = select(
    ORGANISATION,
    _parts(IDENTIFIER, IDENTIFIER.c.organisation_id == ORGANISATION.c.id, IDENTIFIER.c.scheme),
    _parts(CONTACT, CONTACT.c.organisation_id == ORGANISATION.c.id, CONTACT.c.id),
)
NETWORKS = select(NETWORK)
MEMBERSHIPS = select(MEMBERSHIP, _parts(TIER_CHANGE, TIER_CHANGE.c.membership_id == MEMBERSHIP.c.id, TIER_CHANGE.c.number))

_ORGANISATION = Statement(ORGANISATIONS.where(ORGANISATION.c.id == bindparam("key")))
_NETWORK = Statement(NETWORKS.where(NETWORK.c.id == bindparam("key")))
_MEMBERSHIP = Statement(MEMBERSHIPS.where(MEMBERSHIP.c.id == bindparam("key")))


async def read_organisation(connection: Connection, key: OrganisationId) -> Organisation:
    row = await _ORGANISATION.fetchrow(connection, key=key)
    if row is None:
        raise NotFound("organisation", key)
    return organisation_of(row)


async def read_network(connection: Connection, key: NetworkId) -> Network:
    row = await _NETWORK.fetchrow(connection, key=key)
    if row is None:
        raise NotFound("network", key)
    return network_of(row)


async def read_membership(connection: Connection, key: MembershipId) -> Membership:
    row = await _MEMBERSHIP.fetchrow(connection, key=key)
    if row is None:
        raise NotFound("membership", key)
    return membership_of(row)


def organisation_of(row: Row) -> Organisation:
    return Organisation(
        id=OrganisationId(row["id"]),
        profile=Profile(
            name=row["name"],
            short_name=row["short_name"],
            kind=OrganisationKind(row["kind"]),
            country=Country(row["country"]),
            city=row["city"],
            helix=row["helix"] and Helix(row["helix"]),
            size=row["size"] and Size(row["size"]),
        ),
        identifiers=tuple(sorted(Identifier(Scheme(part["scheme"]), part["value"]) for part in _read(row["identifier"]))),
        contacts=[_contact_of(part) for part in _read(row["contact"])],
        registered_by=row["registered_by"],
        registered_at=row["registered_at"],
        version=row["version"],
    )


def network_of(row: Row) -> Network:
    return Network(
        id=NetworkId(row["id"]),
        code=row["code"],
        name=row["name"],
        registered_by=row["registered_by"],
        registered_at=row["registered_at"],
        version=row["version"],
    )


def membership_of(row: Row) -> Membership:
    return Membership(
        id=MembershipId(row["id"]),
        organisation=OrganisationId(row["organisation_id"]),
        network=NetworkId(row["network_id"]),
        applied_on=row["applied_on"],
        applied_by=row["applied_by"],
        applied_at=row["applied_at"],
        history=[_change_of(part) for part in _read(row["tier_change"])],
        version=row["version"],
    )


def _contact_of(part: dict[str, Any]) -> Contact:
    return Contact(
        id=ContactId(UUID(part["id"])),
        name=part["name"],
        email=EmailAddress(part["email"]),
        locale=Locale(part["locale"]),
        roles=tuple(part["roles"]),
        added_by=part["added_by"],
        added_at=_instant(part["added_at"]),
    )


def _change_of(part: dict[str, Any]) -> TierChange:
    return TierChange(
        tier=Tier(part["tier"]),
        effective_on=date.fromisoformat(part["effective_on"]),
        decision=part["decision"],
        decided_by=part["decided_by"],
        decided_at=_instant(part["decided_at"]),
    )


def _read(parts: str | None) -> Sequence[dict[str, Any]]:
    return orjson.loads(parts) if parts else ()


def _instant(text: str) -> Instant:
    return datetime.fromisoformat(text).astimezone(UTC)
