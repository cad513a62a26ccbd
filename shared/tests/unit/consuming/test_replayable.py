"""What a consumer declares for replays: nothing runs again that does not say that it may, and a projection is what follows from messages."""

from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text, Uuid

from klaster_shared.clock import SystemClock
from klaster_shared.consuming.handling import Consumer, handlers
from klaster_shared.consuming.parking import RawRecord
from klaster_shared.consuming.parser import Incoming, read
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.projections import Projection, Share
from klaster_shared.consuming.replaying import Fate, Tally, fate_without
from klaster_shared.contracts import topics
from klaster_shared.contracts.partners import ContactAdded, NetworkRegistered
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import a_record


async def note(message: NetworkRegistered, work: Any) -> None:
    raise AssertionError("no handler runs in these tests")


async def note_contact(message: ContactAdded, work: Any) -> None:
    raise AssertionError("no handler runs in these tests")


HEARD = handlers(NetworkRegistered=note)
NAMES = Table("names", MetaData(), Column("network", Uuid, primary_key=True), Column("name", Text, nullable=False))


def incoming(consumer: Consumer, value: bytes | None = None) -> Incoming:
    key, body, headers = a_record("name", new_id())
    partition = Partition(topics.PARTNERS_NETWORK, 0)
    record = RawRecord(partition=partition, offset=7, logged_at=SystemClock().now(), key=key, headers=tuple(headers), value=value or body)
    return read(record, consumer)


def test_by_default_no_handler_is_replay_safe() -> None:
    consumer = Consumer(name="x.y", topics=(topics.PARTNERS_NETWORK,), handlers=HEARD)
    assert fate_without(incoming(consumer), consumer) is Fate.SUPPRESSED


def test_a_handler_that_says_so_may_run() -> None:
    consumer = Consumer(name="x.y", topics=(topics.PARTNERS_NETWORK,), handlers=HEARD, replay_safe=HEARD)
    assert fate_without(incoming(consumer), consumer) is None


def test_what_builds_a_projection_is_replay_safe() -> None:
    projection = Projection(shares=(Share(NAMES),), handlers=HEARD)
    assert Consumer(name="x.y", topics=(topics.PARTNERS_NETWORK,), handlers=HEARD, projection=projection).replayable == HEARD


def test_what_cannot_be_read_or_is_not_heard_needs_no_handler() -> None:
    deaf = Consumer(name="x.y", topics=(topics.PARTNERS_NETWORK,), handlers={})
    hearing = Consumer(name="x.y", topics=(topics.PARTNERS_NETWORK,), handlers=HEARD, replay_safe=HEARD)
    assert fate_without(incoming(deaf), deaf) is Fate.SKIPPED
    assert fate_without(incoming(hearing, b"no JSON"), hearing) is Fate.UNREADABLE


def test_what_is_not_heard_cannot_be_replayed() -> None:
    with pytest.raises(TypeError, match="ContactAdded"):
        Consumer(name="x.y", topics=(topics.PARTNERS_NETWORK,), handlers=HEARD, replay_safe=handlers(ContactAdded=note_contact))


def test_a_table_that_makes_something_up_is_no_projection() -> None:
    numbered = Table("numbered", MetaData(), Column("line", BigInteger, Identity(always=True), primary_key=True))
    with pytest.raises(TypeError, match="line"):
        Share(numbered)


def test_a_failure_is_told_by_place_type_and_kind_alone() -> None:
    consumer = Consumer(name="x.y", topics=(topics.PARTNERS_NETWORK,), handlers=HEARD, replay_safe=HEARD)
    tally = Tally()
    tally.fail(incoming(consumer), ValueError("somebody@example.org"))
    assert tally.failures == [f"{topics.PARTNERS_NETWORK}/0:7 NetworkRegistered: ValueError"]
