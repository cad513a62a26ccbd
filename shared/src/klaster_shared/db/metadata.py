"""Table metadata with one naming convention, so that constraints can be named in migrations and in errors."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, MetaData

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def new_metadata() -> MetaData:
    """A service's own tables hang on one of these."""
    return MetaData(naming_convention=_NAMES)


PLATFORM = new_metadata()
"""The tables that every service has for itself: outbox, inbox, positions, parked messages, idempotency keys."""


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """The column holds one of the enumeration's values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
