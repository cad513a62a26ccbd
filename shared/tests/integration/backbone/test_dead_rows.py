"""A row that the broker refuses, and what comes of it once the broker has been mended."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from klaster_shared.consuming.audit import Act
from klaster_shared.contracts.envelope import decode
from klaster_shared.ids import new_id
from klaster_shared.outbox.requeueing import NotDead, requeue
from klaster_shared.testing.backbone import Backbone, an_origin, running
from klaster_shared.testing.log import read_log
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

LIMIT = "max.message.bytes"


async def states(backbone: Backbone) -> list[tuple[str, bool]]:
    return [(row["key"], row["dead"]) for row in await backbone.outbox()]


async def requeue_the_dead(backbone: Backbone) -> None:
    for row in await backbone.outbox():
        if row["dead"]:
            async with backbone.transactions.begin(an_origin()) as work:
                await requeue(work.connection, row["id"], Act(action="requeue", actor="operator", at=work.now))


async def test_a_dead_row_that_is_put_back_goes_out_before_what_waited_behind_it(
    new_backbone: Callable[..., Backbone], new_topic: Callable[..., str], kafka_admin: AdminClient, kafka_servers: str
) -> None:
    topic = new_topic("small", config={LIMIT: "1000"})
    backbone, bad, good = new_backbone(topic), new_id(), new_id()
    await backbone.record("x" * 5000, "second", "third", network=bad)
    await backbone.record("free", network=good)
    async with backbone.database.connect() as connection:  # a topic of its own, whose limit is nobody else's
        await connection.execute("UPDATE outbox SET topic = $1", topic)
    async with running(backbone.relay):
        held = [(str(bad), True), (str(bad), False), (str(bad), False)]
        await eventually(lambda: is_left(backbone, held), within=60, what="the large one to be dead, its key held, the other key published")
        (dead, *_) = await backbone.outbox()
        assert (dead["attempts"], dead["error"]) == (3, "MessageSizeTooLargeError")
        raised = ConfigResource(
            ResourceType.TOPIC, topic, incremental_configs=[ConfigEntry(LIMIT, "1048588", incremental_operation=AlterConfigOpType.SET)]
        )
        for future in kafka_admin.incremental_alter_configs([raised]).values():
            future.result(30)

        async def everything_is_out() -> bool:
            await requeue_the_dead(backbone)  # the broker may take a moment to heed its new limit
            return await states(backbone) == []

        await eventually(everything_is_out, within=60, what="the key to flow again")
    found = [decode(record.value(), record.headers() or []) for record in read_log(kafka_servers, topic)]
    assert [envelope.sequence for envelope in found if envelope.subject == str(bad)] == [1, 2, 3]
    assert [envelope.sequence for envelope in found if envelope.subject == str(good)] == [1]


async def is_left(backbone: Backbone, rows: list[tuple[str, bool]]) -> bool:
    return await states(backbone) == rows


async def test_a_row_that_waits_behind_a_dead_one_is_not_dead(backbone: Backbone) -> None:
    await backbone.record("first", "second", network=new_id())
    async with backbone.database.connect() as connection:
        await connection.execute("UPDATE outbox SET dead = true WHERE id = (SELECT min(id) FROM outbox)")
    _, second = await backbone.outbox()
    with pytest.raises(NotDead):
        async with backbone.transactions.begin(an_origin()) as work:
            await requeue(work.connection, second["id"], Act(action="requeue", actor="operator", at=work.now))
