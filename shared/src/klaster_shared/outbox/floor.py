"""How far the ids of the outbox are decided, so that a read need not walk over the dead rows below.

The one rule: **the floor rises only to an id at or below which no transaction can bring anything any more.** The highest id seen
proves nothing: a transaction may hold a smaller one and not have committed. The proof has three parts, in this order:

1. the highest id that was ever given, read from the sequence;
2. *then* a transaction number of our own. Every holder of such an id had its number before it had the id
   (`recorder.write_rows`), so its number is smaller than ours. A snapshot's `xmax` would not do here: it is one past the highest
   number that has *ended*, and a holder that still runs may have a greater one;
3. later a single snapshot in which no number below ours runs any more, and what still lies in the table: whatever is not there is
   published or rolled back, whatever is there keeps the floor below itself. Dead rows are there too; a requeued one is found again.

It lives as long as the relay's connection and is never stored: a server that starts again may give ids anew that were never
committed. docs/architecture/outbox.md, "The floor".
"""

import time

from klaster_shared.db.engine import Connection

NO_FLOOR = 0
"""Below every id: nothing is hidden."""
RISE_SECONDS = 0.5
"""At most this often a step of the proof is taken: one small statement, and a transaction number for every proof."""

# A sequence that was never asked shows the id that it will give first.
_LAST_GIVEN = "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM outbox_id_seq"
_OWN_NUMBER = "SELECT pg_current_xact_id()::text::bigint"
_DECIDED = (
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, (SELECT id FROM outbox WHERE id > $1 ORDER BY id LIMIT 1) AS lowest"
)


class Floor:
    """Of one leading relay on one connection. `id`: every row of the outbox is above it, and every row to come will be."""

    def __init__(self) -> None:
        self.id = NO_FLOOR
        self._waiting: tuple[int, int] | None = None
        self._due = 0.0

    async def rise(self, connection: Connection) -> None:
        """One step of the proof, if it is time for one and there is something to rise over."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + RISE_SECONDS
        if self._waiting is None:
            await self._begin(connection)
            return
        last_given, number = self._waiting
        row = await connection.fetchrow(_DECIDED, self.id)
        if row["horizon"] >= number:
            self.id = last_given if row["lowest"] is None else min(last_given, row["lowest"] - 1)
            self._waiting = None

    async def _begin(self, connection: Connection) -> None:
        last_given = await connection.fetchval(_LAST_GIVEN)
        if last_given < self.id:
            self.id = NO_FLOOR  # the sequence was set back, by a restore or by hand: what was proved of it is worth nothing
        elif last_given > self.id:
            self._waiting = (last_given, await connection.fetchval(_OWN_NUMBER))
