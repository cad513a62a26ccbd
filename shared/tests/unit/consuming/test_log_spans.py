"""What people write for a part of the log, and which offsets it comes to."""

from datetime import UTC, datetime

import pytest

from klaster_shared.consuming.log_spans import Bound, Edge, Moment, Places, Span, bound, spans
from klaster_shared.consuming.positions import Partition
from klaster_shared.errors import Invalid, NotFound
from klaster_shared.testing.memory_log import MemoryLog

ORDERS, REFUNDS = "klaster.x.orders.v1", "klaster.x.refunds.v1"
FIRST, SECOND = Partition(ORDERS, 0), Partition(REFUNDS, 0)


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog(ORDERS, REFUNDS)
    for _ in range(5):
        log.append(ORDERS, b"key", b"{}")
    log.append(REFUNDS, b"key", b"{}")
    return log


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("beginning", Edge.BEGINNING),
        (" end ", Edge.END),
        ("2026-11-23T12:00:00+01:00", Moment(datetime(2026, 11, 23, 11, tzinfo=UTC))),
        ("klaster.x.y.v1/3:120", Places({Partition("klaster.x.y.v1", 3): 120})),
        ("a/0:1, b/2:3", Places({Partition("a", 0): 1, Partition("b", 2): 3})),
    ],
)
def test_a_bound_is_read_as_it_is_meant(text: str, meant: Bound) -> None:
    assert bound("from", text) == meant


@pytest.mark.parametrize(
    "text", ["", "start", "120", "2026-11-23", "2026-11-23T12:00:00", "x.v1/3", "x.v1/three:120", "x.v1/3:-1", "/3:120", "a/0:1,"]
)
def test_what_is_no_bound_is_refused_and_the_option_named(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        bound("from", text)
    assert refused.value.field == "from"


async def test_from_beginning_to_end_is_everything_there_is_now(log: MemoryLog) -> None:
    found = await spans(log, (ORDERS, REFUNDS), begin=Edge.BEGINNING, end=Edge.END)
    log.append(ORDERS, b"key", b"later")
    assert found == {FIRST: Span(0, 5), SECOND: Span(0, 1)}


async def test_a_place_means_its_partition_alone(log: MemoryLog) -> None:
    assert await spans(log, (ORDERS, REFUNDS), begin=Places({FIRST: 2}), end=Edge.END) == {FIRST: Span(2, 5)}
    assert await spans(log, (ORDERS, REFUNDS), begin=Edge.BEGINNING, end=Places({FIRST: 2})) == {FIRST: Span(0, 2)}


async def test_a_topic_or_a_partition_may_be_singled_out(log: MemoryLog) -> None:
    assert await spans(log, (ORDERS, REFUNDS), begin=Edge.BEGINNING, end=Edge.END, topic=REFUNDS) == {SECOND: Span(0, 1)}
    with pytest.raises(Invalid, match="partition"):
        await spans(log, (ORDERS, REFUNDS), begin=Edge.BEGINNING, end=Edge.END, partition=7)


async def test_an_instant_is_the_first_record_that_is_not_older(log: MemoryLog) -> None:
    third = log.of(ORDERS)[2].logged_at
    found = await spans(log, (ORDERS,), begin=Moment(third), end=Edge.END)
    assert found[FIRST].start == next(record.offset for record in log.of(ORDERS) if record.logged_at >= third)
    future = Moment(datetime(9999, 1, 1, tzinfo=UTC))
    assert (await spans(log, (ORDERS,), begin=future, end=Edge.END))[FIRST].length == 0


async def test_an_end_before_the_beginning_is_nothing(log: MemoryLog) -> None:
    found = await spans(log, (ORDERS,), begin=Places({FIRST: 4}), end=Places({FIRST: 1}))
    assert found[FIRST].length == 0


@pytest.mark.parametrize("offset", [6, 100])
async def test_an_offset_that_the_log_does_not_hold_is_refused(log: MemoryLog, offset: int) -> None:
    """A replay that silently began later, or ended earlier, would not be the one that was asked for."""
    with pytest.raises(Invalid, match="holds the offsets 0 to 5"):
        await spans(log, (ORDERS,), begin=Edge.BEGINNING, end=Places({FIRST: offset}))


async def test_a_place_elsewhere_is_refused(log: MemoryLog) -> None:
    with pytest.raises(Invalid, match="no partition that is meant"):
        await spans(log, (ORDERS,), begin=Places({SECOND: 0}), end=Edge.END)


async def test_a_topic_that_is_not_there_is_named(log: MemoryLog) -> None:
    with pytest.raises(NotFound):
        await spans(MissingTopics(), (ORDERS,), begin=Edge.BEGINNING, end=Edge.END)


class MissingTopics(MemoryLog):
    async def partitions(self, topics: object) -> list[Partition]:  # noqa: ARG002 - the port's shape
        raise NotFound("topic", ORDERS)
