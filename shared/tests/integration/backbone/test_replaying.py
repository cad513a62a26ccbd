"""A part of the log handled once more: nothing leaves, nothing that happened once happens twice, and a projection becomes what the log says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.consuming.log_spans import Edge, Places
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.rebuilding import CannotRebuild
from klaster_shared.consuming.replaying import Fate, Progress
from klaster_shared.db.failures import DATABASE_FAILURES
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import a_record, send
from klaster_shared.testing.directory import DirectoryService, create_directory_tables
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
async def url(new_database: Callable[[], str]) -> str:
    url = new_database()
    await create_directory_tables(url)
    return url


@pytest.fixture
async def service(url: str, kafka_servers: str, topic: str, unique_name: Callable[[str], str]) -> AsyncIterator[DirectoryService]:
    service = DirectoryService(url, kafka_servers, topic=topic, name=unique_name("directory"))
    await service.ask("WITH gone AS (DELETE FROM directory) SELECT 1")
    for table in ("book", "outbox", "inbox", "parked_message", "parked_gate", "operator_act", "consumer_position"):
        await service.ask(f"WITH gone AS (DELETE FROM {table}) SELECT 1")  # noqa: S608 - the suite's own names
    yield service
    await service.assembly.database.dispose()


async def heard(service: DirectoryService, count: int) -> None:
    """Until so many messages have been applied and written down."""
    await eventually(lambda: written_down(service, count), within=60, what=f"{count} messages to be applied")


async def written_down(service: DirectoryService, count: int) -> bool:
    return len(await service.book()) >= count


async def standing(service: DirectoryService) -> list[Any]:
    """What a replay leaves alone: inbox, positions, parked messages, the record, the outbox."""
    names = ("inbox", "consumer_position", "parked_message", "parked_gate", "book", "outbox")
    return [sorted(map(tuple, await service.rows(f"SELECT * FROM {name}")), key=str) for name in names]  # noqa: S608 - same


async def a_history(service: DirectoryService, producer: AIOKafkaProducer, topic: str, networks: int = 12, times: int = 4) -> int:
    """Several names for each network, and one message twice on the wire; how many were applied."""
    ids = [new_id() for _ in range(networks)]
    records = [a_record(f"name {n}", network, n) for n in range(1, times + 1) for network in ids]
    async with service.consuming():
        await send(producer, topic, *records, records[0])
        await heard(service, len(records))
        await eventually(lambda: caught_up(service, len(records) + 1), within=60, what="the last record to be passed")
    return len(records)


async def caught_up(service: DirectoryService, records: int) -> bool:
    return bool(await service.ask("SELECT sum(next_offset) >= $1 FROM consumer_position", records))


async def test_a_dry_run_tells_what_would_happen_and_opens_no_transaction(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    applied = await a_history(service, producer, topic)
    await send(producer, topic, (b"key", b"no message", []))
    before = await standing(service)
    tally = await service.replay(rehearsal=True)
    assert (tally.of(Fate.APPLIED), tally.of(Fate.UNREADABLE)) == (applied + 1, 1)
    assert await standing(service) == before
    assert await service.ask("SELECT count(*) FROM operator_act") == 0


async def test_handlers_that_do_not_say_that_they_are_replay_safe_are_suppressed(
    service: DirectoryService, producer: AIOKafkaProducer, topic: str
) -> None:
    applied = await a_history(service, producer, topic)
    before, directory = await standing(service), await service.directory()
    tally = await service.replay(consumer=replace(service.declaration, projection=None))
    assert tally.counts == {("NetworkRegistered", Fate.SUPPRESSED): applied + 1}
    assert (await standing(service), await service.directory()) == (before, directory)


async def test_a_replay_runs_what_is_safe_and_leaves_everything_else_as_it_was(
    service: DirectoryService, producer: AIOKafkaProducer, topic: str
) -> None:
    applied = await a_history(service, producer, topic)
    before = await standing(service)
    await service.ask("WITH gone AS (DELETE FROM directory) SELECT 1")
    tally = await service.replay()
    assert tally.of(Fate.APPLIED) == applied + 1
    assert len(await service.directory()) == 12
    assert await standing(service) == before


async def test_what_a_replayed_handler_publishes_is_withheld_and_counted(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    applied = await a_history(service, producer, topic)
    before = await service.ask("SELECT count(*) FROM outbox")
    talkative = replace(service.declaration, projection=None, replay_safe=service.declaration.handlers)
    tally = await service.replay(consumer=talkative)
    assert tally.withheld == applied + 1
    assert await service.ask("SELECT count(*) FROM outbox") == before


async def test_a_replay_ends_where_it_was_told_to(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    network = new_id()
    await send(producer, topic, *[a_record(f"name {n}", network, n) for n in range(1, 11)])
    (place,) = [p for p in [Partition(topic, number) for number in range(3)] if (await service.replay(begin=Places({p: 0}), rehearsal=True)).records]
    tally = await service.replay(begin=Places({place: 2}), end=Places({place: 7}))
    assert tally.records == 5
    assert await service.directory() == {network: ("name 7", 5)}


async def test_a_replay_passes_what_is_no_record_and_ends(
    service: DirectoryService, topic: str, kafka_servers: str, unique_name: Callable[[str], str]
) -> None:
    """The last offsets of a partition may be markers and the records of an aborted transaction: nothing will ever be delivered for them."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka_servers, transactional_id=unique_name("writer"))
    await producer.start()
    try:
        network = new_id()
        async with producer.transaction():
            await send(producer, topic, a_record("kept", network, 1))
        await producer.begin_transaction()
        await send(producer, topic, a_record("taken back", network, 2))
        await producer.abort_transaction()
    finally:
        await producer.stop()
    async with asyncio.timeout(60):
        tally = await service.replay()
    assert tally.counts == {("NetworkRegistered", Fate.APPLIED): 1}


async def test_a_replay_is_in_no_group(service: DirectoryService, producer: AIOKafkaProducer, topic: str, kafka_admin: Any) -> None:
    await send(producer, topic, a_record("name", new_id()))
    groups = {group.group_id for group in kafka_admin.list_consumer_groups().result(30).valid}
    await service.replay()
    assert {group.group_id for group in kafka_admin.list_consumer_groups().result(30).valid} - groups == set()


async def test_a_message_that_cannot_be_applied_any_more_costs_none_of_the_others(
    service: DirectoryService, producer: AIOKafkaProducer, topic: str
) -> None:
    await send(producer, topic, *[a_record(name, new_id()) for name in ("one", "refuse", "two")])
    tally = await service.replay()
    assert (tally.of(Fate.APPLIED), tally.of(Fate.FAILED)) == (2, 1)
    assert [failure.rpartition(" ")[2] for failure in tally.failures] == ["not-entered"]


async def test_who_replayed_what_and_why_is_kept(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    await send(producer, topic, a_record("name", new_id()))
    await service.replay()
    rows = await service.rows("SELECT action, actor, reason, subject FROM operator_act ORDER BY id")
    assert [tuple(row)[:3] for row in rows] == [("replay", "tester", "to see"), ("replay-ended", "tester", "to see")]
    assert (f"{topic}/" in rows[0]["subject"], rows[1]["subject"]) == (True, "1 records: 1 applied; 0 messages withheld")


async def test_a_rebuilt_projection_is_the_same_and_nothing_is_sent(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    await a_history(service, producer, topic)
    before, directory = await standing(service), await service.directory()
    rebuilt = await service.rebuild().run(actor="tester", reason="to see")
    assert rebuilt.is_same
    assert rebuilt.tally.of(Fate.DUPLICATE) == 1
    assert (await standing(service), await service.directory()) == (before, directory)


async def test_a_projection_that_was_lost_or_spoilt_becomes_what_the_log_says(
    service: DirectoryService, producer: AIOKafkaProducer, topic: str
) -> None:
    await a_history(service, producer, topic)
    intact, directory = (await service.rebuild().rehearse()).after, await service.directory()
    await service.ask("WITH gone AS (DELETE FROM directory WHERE network = (SELECT min(network::text)::uuid FROM directory)) SELECT 1")
    await service.ask("WITH spoilt AS (UPDATE directory SET named = named + 1) SELECT 1")
    assert not (await service.rebuild().rehearse()).is_same
    rebuilt = await service.rebuild().run(actor="tester", reason="spoilt by hand")
    assert (rebuilt.exchanged, rebuilt.after) == (True, intact)
    assert await service.directory() == directory


async def test_a_live_consumer_works_on_beside_a_rebuild_and_loses_nothing(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    """Rebuilt again and again under its feet, the projection ends as the log says, and nothing was parked."""
    networks, enough, rounds = [new_id() for _ in range(10)], asyncio.Event(), 0

    async def write() -> None:
        nonlocal rounds
        while not enough.is_set():
            rounds += 1
            await send(producer, topic, *[a_record(f"name {rounds}", network, rounds) for network in networks])
            await heard(service, (rounds - 3) * len(networks))

    async with service.consuming():
        writing = asyncio.create_task(write())
        await heard(service, 1)
        for _ in range(4):
            await service.ask("WITH spoilt AS (UPDATE directory SET named = 0) SELECT 1")
            await service.rebuild().run(actor="tester", reason="under load")
        enough.set()
        await writing
        await heard(service, rounds * len(networks))
    assert await service.directory() == dict.fromkeys(networks, (f"name {rounds}", rounds))
    assert await service.ask("SELECT count(*) FROM parked_message") == 0
    assert len(await service.book()) == rounds * len(networks)


async def test_readers_see_the_old_rows_until_they_see_the_new_ones(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    await a_history(service, producer, topic)
    await service.ask("WITH spoilt AS (UPDATE directory SET named = 0) SELECT 1")
    seen: set[tuple[int, int]] = set()

    async def look() -> None:
        async with service.assembly.database.connect() as connection:
            while True:
                seen.add(tuple(await connection.fetchrow("SELECT count(*), min(named) + max(named) FROM directory")))

    looking = asyncio.create_task(look())
    await eventually(lambda: bool(seen), what="a first look")
    await service.rebuild().run(actor="tester", reason="spoilt by hand")
    await eventually(lambda: (12, 8) in seen, what="a look at the new rows")
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert seen == {(12, 0), (12, 8)}


async def test_what_is_parked_stays_without_effect_and_follows_in_order_later(
    service: DirectoryService, producer: AIOKafkaProducer, topic: str
) -> None:
    blocked, free = new_id(), new_id()
    async with service.consuming():
        await send(producer, topic, a_record("first", blocked, 1), a_record("refuse", blocked, 2), a_record("third", blocked, 3), a_record("x", free))
        await eventually(lambda: caught_up(service, 4), within=60, what="all to be passed")
    service.refusing = False
    rebuilt = await service.rebuild().run(actor="tester", reason="to see")
    assert (rebuilt.is_same, rebuilt.tally.of(Fate.PARKED)) == (True, 2)
    assert await service.directory() == {blocked: ("first", 1), free: ("x", 1)}


async def test_what_an_operator_gave_up_is_not_brought_back(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    network = new_id()
    async with service.consuming():
        await send(producer, topic, a_record("refuse", network, 1), a_record("second", network, 2))
        await eventually(lambda: caught_up(service, 2), within=60, what="both to be passed")
        office = service.assembly.office
        assert office is not None
        head = await service.ask("SELECT min(id) FROM parked_message")
        await office.skip(head, actor="tester", reason="agreed")
        await heard(service, 1)
    service.refusing = False
    rebuilt = await service.rebuild().run(actor="tester", reason="to see")
    assert (rebuilt.is_same, rebuilt.tally.of(Fate.PARKED)) == (True, 1)


async def test_a_message_unparked_during_a_rebuild_is_in_the_new_state(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    network = new_id()
    async with service.consuming():
        await send(producer, topic, a_record("first", network, 1), a_record("refuse", network, 2), a_record("third", network, 3))
        await eventually(lambda: caught_up(service, 3), within=60, what="all to be passed")
        service.refusing = False
        rebuild = service.rebuild()

        async def retried(connection: Any) -> Any:
            course = await build(connection)
            office = service.assembly.office
            assert office is not None
            await office.retry(await service.ask("SELECT min(id) FROM parked_message"), actor="tester")
            await heard(service, 3)
            return course

        build, rebuild._build = rebuild._build, retried  # type: ignore[method-assign]
        await rebuild.run(actor="tester", reason="to see")
    assert await service.directory() == {network: ("third", 3)}


async def test_a_message_that_its_handler_refuses_ends_a_rebuild_with_nothing_changed(
    service: DirectoryService, producer: AIOKafkaProducer, topic: str
) -> None:
    service.refusing = False
    async with service.consuming():
        await send(producer, topic, a_record("refuse", new_id()), a_record("name", new_id()))
        await heard(service, 2)
    directory, service.refusing = await service.directory(), True
    with pytest.raises(CannotRebuild, match="not-entered"):
        await service.rebuild().run(actor="tester", reason="to see")
    assert await service.directory() == directory
    assert len((await service.rebuild(tolerant=True).run(actor="tester", reason="to see")).tally.failures) == 1
    assert len(await service.directory()) == 1


async def test_a_rebuild_that_dies_leaves_the_old_state_and_can_be_repeated(
    service: DirectoryService, producer: AIOKafkaProducer, topic: str
) -> None:
    await a_history(service, producer, topic)
    directory = await service.directory()
    await service.ask("WITH spoilt AS (UPDATE directory SET named = 0) SELECT 1")
    spoilt = await service.directory()
    dying = service.rebuild()
    exchange = dying._exchange

    async def killed(connection: Any) -> None:
        await service.ask("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        await replace_rows(connection)

    replace_rows, exchange.replace = exchange.replace, killed  # type: ignore[method-assign]
    with pytest.raises(DATABASE_FAILURES):
        await dying.run(actor="tester", reason="to die")
    assert await service.directory() == spoilt
    await service.rebuild().run(actor="tester", reason="again")
    assert await service.directory() == directory


async def test_a_log_that_is_not_whole_is_refused(service: DirectoryService, producer: AIOKafkaProducer, topic: str, kafka_admin: Any) -> None:
    from confluent_kafka import TopicPartition

    await a_history(service, producer, topic)
    cut = dict.fromkeys((0, 1, 2), 1)
    for future in kafka_admin.delete_records([TopicPartition(topic, tp, offset) for tp, offset in cut.items()]).values():
        future.result(30)
    before = await service.directory()
    with pytest.raises(CannotRebuild, match="begins at 1"):
        await service.rebuild().run(actor="tester", reason="to see")
    assert await service.directory() == before


async def test_a_handler_that_builds_cannot_write_anywhere_else(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    """PostgreSQL itself refuses: the transactions of a build are read-only but for the temporary tables."""
    await a_history(service, producer, topic, networks=1, times=1)
    projection = service.declaration.projection
    assert projection is not None
    careless = replace(service.declaration, projection=replace(projection, handlers=service.declaration.handlers))
    service.declaration = careless
    with pytest.raises(CannotRebuild, match="ReadOnlySQLTransactionError"):
        await service.rebuild().run(actor="tester", reason="to see")
    assert len(await service.book()) == 1


async def test_progress_is_told_to_the_end(service: DirectoryService, producer: AIOKafkaProducer, topic: str) -> None:
    from klaster_shared.consuming.log_spans import LogEdges, spans
    from klaster_shared.consuming.replaying import Replay

    await send(producer, topic, *[a_record("name", new_id()) for _ in range(5)])
    told: list[tuple[int, int]] = []
    show: Progress = lambda done, total: told.append((done, total))  # noqa: E731 - a callback
    meant = await spans(LogEdges(service.servers), service.declaration.topics, begin=Edge.BEGINNING, end=Edge.END)
    await Replay(service.declaration, service.assembly.transactions, service.log, progress=show).rehearse(meant)
    assert (told[0], told[-1]) == ((0, 5), (5, 5))
