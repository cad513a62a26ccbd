"""What the watchdog sees of the relay: rows that could leave, while the broker answers others, and no answer to this one.

The one rule: a refusal is an answer. Where the broker refuses a topic or a right, a new start mends nothing; only a relay that
hears nothing at all, from a broker that is there, has lost its way.
"""

from sqlalchemy import and_, exists, select

from klaster_shared.db.engine import Database
from klaster_shared.db.statements import Statement
from klaster_shared.kafka import Cluster
from klaster_shared.outbox.relay import Relay
from klaster_shared.outbox.table import OUTBOX
from klaster_shared.watchdog import Look

_dead = OUTBOX.alias("dead")
_HEAD = Statement(
    select(OUTBOX.c.id, OUTBOX.c.topic)
    .where(~OUTBOX.c.dead)
    .where(~exists().where(and_(_dead.c.dead, _dead.c.topic == OUTBOX.c.topic, _dead.c.key == OUTBOX.c.key, _dead.c.id < OUTBOX.c.id)))
    .order_by(OUTBOX.c.id)
    .limit(1)
)


class RelayLook:
    name = "relay"

    def __init__(self, relay: Relay, database: Database, cluster: Cluster) -> None:
        self._relay = relay
        self._database = database
        self._cluster = cluster

    async def look(self) -> Look | None:
        """None while another process leads, and while the topic of the first row does not exist."""
        if not self._relay.leading:
            return None
        async with self._database.connect() as connection:
            head = await _HEAD.fetchrow(connection)
        if head is None:
            return Look(None, None)
        if not await self._cluster.ends([(head["topic"], 0)]):
            return None
        return Look("committed messages wait to be published", self._relay.answers)
