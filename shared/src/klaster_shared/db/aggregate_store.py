"""Stores one aggregate type: INSERT of a new one, version-checked UPDATE of an existing one, then its facts as messages.

The one rule: every write of an existing aggregate is `UPDATE … WHERE id = … AND version = …`, so two commands on the same
state cannot both succeed, whatever they read.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from klaster_shared.aggregates import Aggregate
from klaster_shared.contracts.envelope import Message
from klaster_shared.db.statements import Statement
from klaster_shared.db.unit_of_work import UnitOfWork
from klaster_shared.errors import StaleVersion


class AggregateStore[A: Aggregate]:
    """`to_row` gives the columns without `version`; `to_message` says what leaves the service for a fact.

    A column that never changes is named in `constant`, as in `versioned_update`.
    """

    def __init__(
        self,
        what: str,
        *,
        insert: Statement,
        update: Statement,
        to_row: Callable[[A], Mapping[str, Any]],
        to_message: Callable[[Any], Message],
    ) -> None:
        self._what = what
        self._insert = insert
        self._update = update
        self._to_row = to_row
        self._to_message = to_message
        self._updated = frozenset(update.names) - {"key", "expected_version", "version"}

    def require_version(self, identifier: UUID, aggregate: A, expected: int | None) -> A:
        """The aggregate, if nobody has changed it since a client read `expected`; None asks for any version.

        Raises:
            StaleVersion: it has another version.
        """
        if expected is not None and aggregate.version != expected:
            raise StaleVersion(self._what, identifier, expected=expected, found=aggregate.version)
        return aggregate

    async def save(self, work: UnitOfWork, identifier: UUID, aggregate: A) -> None:
        """Writes the row and keeps the facts' messages for the outbox; does nothing when nothing was recorded.

        Raises:
            StaleVersion: somebody else has stored the aggregate since it was loaded.
        """
        if not aggregate.facts:
            return
        before = aggregate.version
        row = dict(self._to_row(aggregate))
        version = before + len(aggregate.facts)
        if before == 0:
            await self._insert.execute(work.connection, **row, version=version)
        else:
            changed = {name: value for name, value in row.items() if name in self._updated}
            if not await self._update.execute(work.connection, **changed, version=version, key=identifier, expected_version=before):
                raise StaleVersion(self._what, identifier, expected=before)
        for sequence, fact in enumerate(aggregate.stored(), before + 1):
            work.publish(self._to_message(fact), sequence=sequence, happened=fact.at)
