"""Identifiers are made by the service, not by the database, so that a command knows them before it writes."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ordered by time of creation, which keeps indexes local and lists in order."""
    return uuid7()
