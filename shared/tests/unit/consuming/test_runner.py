"""What the runner lets through and what it drops: the expectations of each partition, without a broker or a database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from klaster_shared.consuming.chunk import ChunkResult, Outcome
from klaster_shared.consuming.handling import Consumer
from klaster_shared.consuming.parking import Verdict
from klaster_shared.consuming.parser import Incoming
from klaster_shared.consuming.pausing import Cause, Pace, PartitionBlocked
from klaster_shared.consuming.positions import Partition
from klaster_shared.consuming.runner import CHUNK_RECORDS, Runner, Standing
from klaster_shared.errors import Refused, StaleVersion
from klaster_shared.observability.metrics import Metrics

P0, P1 = Partition("t", 0), Partition("t", 1)


class Client:
    """The part of an AIOKafkaConsumer that the runner touches."""

    def __init__(self) -> None:
        self.fetched: dict[TopicPartition, int] = {}
        self.sought: list[tuple[TopicPartition, int]] = []
        self.paused: list[TopicPartition] = []
        self.resumed: list[TopicPartition] = []
        self.start = 0

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(*P0), TopicPartition(*P1)}

    async def position(self, tp: TopicPartition) -> int:
        return self.fetched.get(tp, 0)

    async def beginning_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, self.start)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.sought.append((tp, offset))
        self.fetched[tp] = offset

    def pause(self, tp: TopicPartition) -> None:
        self.paused.append(tp)

    def resume(self, tp: TopicPartition) -> None:
        self.resumed.append(tp)


@dataclass
class Chunks:
    """A stand-in for the transaction: keeps positions, applies offsets, fails as the test plans."""

    positions: dict[Partition, int] = field(default_factory=lambda: {P0: 0, P1: 0})
    applied: list[tuple[int, int]] = field(default_factory=list)
    parked: list[tuple[int, str]] = field(default_factory=list)
    failures: dict[int, list[Exception]] = field(default_factory=dict)
    unparkable: dict[int, Exception] = field(default_factory=dict)
    held: set[Partition] = field(default_factory=set)
    database_answers: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.consumer = Consumer(name="c", topics=("t",), handlers={})
        self.transactions = SimpleNamespace(database=SimpleNamespace(answers=self._answers))

    async def _answers(self) -> bool:
        return self.database_answers.pop(0) if self.database_answers else True

    async def apply(
        self, records: Sequence[Incoming], expected: Mapping[Partition, int], *, verdicts: Mapping[int, Verdict] | None = None
    ) -> ChunkResult:
        result = ChunkResult(held=expected.keys() & self.held)
        result.lost = {p for p, offset in expected.items() if self.positions[p] != offset} - result.held
        kept = [(i, r) for i, r in enumerate(records) if r.record.partition not in result.lost | result.held]
        for index, incoming in kept:
            if verdicts and index in verdicts and incoming.record.offset in self.unparkable:
                raise self.unparkable[incoming.record.offset]
            if not (verdicts and index in verdicts) and (planned := self.failures.get(incoming.record.offset)):
                raise planned.pop(0)
        for index, incoming in kept:
            partition, offset = incoming.record.partition, incoming.record.offset
            if verdicts and index in verdicts:
                self.parked.append((offset, verdicts[index].reason))
            else:
                self.applied.append((partition.number, offset))
            self.positions[partition] = offset + 1
            result.outcomes.append((incoming, Outcome.APPLIED))
        return result


def records(partition: Partition, *offsets: int) -> list[Any]:
    return [
        SimpleNamespace(topic=partition.topic, partition=partition.number, offset=o, timestamp=1000, key=b"k", headers=(), value=b"{}")
        for o in offsets
    ]


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def chunks() -> Chunks:
    return Chunks()


@pytest.fixture
def runner(chunks: Chunks, client: Client, monkeypatch: pytest.MonkeyPatch) -> Runner[Any]:
    monkeypatch.setattr("klaster_shared.consuming.runner.BACKOFF_SECONDS", (0.0, 0.0))
    made: Runner[Any] = Runner(chunks, Metrics(CollectorRegistry()))  # type: ignore[arg-type]  # the stand-in above
    made.take(P0, Standing(0), client)
    made.take(P1, Standing(0), client)
    client.sought.clear()
    client.resumed.clear()
    return made


async def fetch(runner: Runner[Any], client: Client, *batch: Any) -> None:
    """A batch as the client delivers it: its own position is past the last record."""
    for record in batch:
        client.fetched[TopicPartition(record.topic, record.partition)] = record.offset + 1
    await runner.handle(batch, client)


async def test_records_in_order_are_applied_and_the_expectation_moves(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    await fetch(runner, client, *records(P0, 0, 1, 2), *records(P1, 0))
    assert chunks.applied == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert (runner.standings[P0].expected, runner.standings[P1].expected) == (3, 1)


async def test_a_client_that_was_thrown_back_is_put_where_the_partition_stands(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    await fetch(runner, client, *records(P0, 0, 1))
    await fetch(runner, client, *records(P0, 0, 1, 2))
    assert (chunks.applied, client.sought) == ([(0, 0), (0, 1)], [(TopicPartition(*P0), 2)])
    await fetch(runner, client, *records(P0, 2))
    assert chunks.applied == [(0, 0), (0, 1), (0, 2)]


async def test_a_client_that_is_thrown_back_again_has_another_log_before_it(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    await fetch(runner, client, *records(P0, 0, 1, 2))
    await fetch(runner, client, *records(P0, 0))
    await fetch(runner, client, *records(P0, 0))
    assert (list(runner.refused), runner.standings.get(P0), len(chunks.applied)) == ([P0], None, 3)


async def test_a_gap_inside_a_batch_is_a_gap_of_the_log(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    await fetch(runner, client, *records(P0, 0, 5, 6))
    assert chunks.applied == [(0, 0), (0, 5), (0, 6)]


async def test_a_gap_at_the_start_of_a_batch_is_fetched_again_before_it_is_believed(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    await fetch(runner, client, *records(P0, 0))
    await fetch(runner, client, *records(P0, 5))
    assert chunks.applied == [(0, 0)]
    assert client.sought == [(TopicPartition(*P0), 1)]
    await fetch(runner, client, *records(P0, 5))
    assert chunks.applied == [(0, 0), (0, 5)]


async def test_records_deleted_before_they_were_read_refuse_the_partition(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    client.start = 3
    await fetch(runner, client, *records(P0, 5))
    assert (chunks.applied, list(runner.refused), client.paused) == ([], [P0], [TopicPartition(*P0)])


async def test_a_record_before_the_offset_just_sought_refuses_the_partition(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    runner.take(P0, Standing(10), client)
    await fetch(runner, client, *records(P0, 2))
    assert (chunks.applied, list(runner.refused), client.paused) == ([], [P0], [TopicPartition(*P0)])


async def test_a_batch_older_than_the_seek_is_dropped_without_refusing(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    runner.take(P0, Standing(10), client)
    await runner.handle(records(P0, 2, 3), client)  # the client has fetched nothing since the seek
    assert (chunks.applied, runner.refused) == ([], {})


async def test_a_batch_that_starts_after_a_revoke_is_dropped(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    runner.interrupted = True
    await fetch(runner, client, *records(P0, 0))
    assert chunks.applied == []


async def test_unverified_partitions_are_dropped(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    runner.forget_all()
    await fetch(runner, client, *records(P0, 0))
    assert chunks.applied == []


async def test_a_failing_record_is_parked_and_those_around_it_are_applied(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.failures = {1: [Refused("no"), Refused("no")]}
    await fetch(runner, client, *records(P0, 0, 1, 2))
    assert chunks.applied == [(0, 0), (0, 2)]
    assert chunks.parked == [(1, "refused")]


async def test_a_lost_race_is_run_again_and_not_parked(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.failures = {1: [StaleVersion("x", 1), StaleVersion("x", 1)]}
    await fetch(runner, client, *records(P0, 0, 1, 2))
    assert chunks.applied == [(0, 0), (0, 1), (0, 2)]
    assert chunks.parked == []


async def test_a_race_lost_again_and_again_is_parked_in_the_end(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.failures = {0: [StaleVersion("x", 1) for _ in range(10)]}
    await fetch(runner, client, *records(P0, 0, 1))
    assert (chunks.parked, chunks.applied) == ([(0, "stale-version")], [(0, 1)])


async def test_the_chunk_is_repeated_when_the_own_database_was_away(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.failures = {0: [ConnectionRefusedError()]}
    chunks.database_answers = [False, True]
    await fetch(runner, client, *records(P0, 0, 1))
    assert (chunks.applied, chunks.parked) == ([(0, 0), (0, 1)], [])


async def test_a_commit_whose_answer_was_lost_is_not_applied_twice(
    runner: Runner[Any], chunks: Chunks, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, calls = chunks.apply, 0

    async def committed_but_unheard(*args: Any, **kwargs: Any) -> ChunkResult:
        nonlocal calls
        calls += 1
        result = await apply(*args, **kwargs)
        if calls == 1:
            raise ConnectionResetError
        return result

    monkeypatch.setattr(chunks, "apply", committed_but_unheard)
    chunks.database_answers = [False, True]

    async def take_up(lost: set[Partition]) -> None:
        for partition in lost:
            runner.seek(partition, chunks.positions[partition])

    monkeypatch.setattr(runner, "_take_up", take_up)
    await fetch(runner, client, *records(P0, 0, 1))
    assert chunks.applied == [(0, 0), (0, 1)]
    assert runner.standings[P0].expected == 2


async def test_a_commit_that_comes_after_the_partition_was_taken_up_anew_moves_no_expectation(
    runner: Runner[Any], chunks: Chunks, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = chunks.apply

    async def slow(*args: Any, **kwargs: Any) -> ChunkResult:
        result = await apply(*args, **kwargs)
        runner.take(P0, Standing(0), client)  # verified against the position as it was before this commit
        return result

    monkeypatch.setattr(chunks, "apply", slow)
    await fetch(runner, client, *records(P0, 0, 1))
    assert runner.standings[P0] == Standing(0, sought=True)
    assert runner.refused == {}


async def test_a_batch_that_takes_too_long_is_given_back(
    runner: Runner[Any], chunks: Chunks, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = chunks.apply

    async def slow(*args: Any, **kwargs: Any) -> ChunkResult:
        runner._deadline = 0.0
        return await apply(*args, **kwargs)

    monkeypatch.setattr(chunks, "apply", slow)
    await fetch(runner, client, *records(P0, *range(CHUNK_RECORDS + 1)))
    assert len(chunks.applied) == CHUNK_RECORDS
    assert client.sought[0] == (TopicPartition(*P0), CHUNK_RECORDS)
    monkeypatch.setattr(chunks, "apply", apply)
    await fetch(runner, client, *records(P0, CHUNK_RECORDS))
    assert chunks.applied[-1] == (0, CHUNK_RECORDS)


async def test_a_record_that_fails_has_all_its_attempts_however_late_it_is(
    runner: Runner[Any], chunks: Chunks, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks.failures = {0: [StaleVersion("x", 1) for _ in range(10)]}
    apply = chunks.apply

    async def slow(*args: Any, **kwargs: Any) -> ChunkResult:
        if len(chunks.failures[0]) < 9:
            runner._deadline = 0.0
        return await apply(*args, **kwargs)

    monkeypatch.setattr(chunks, "apply", slow)
    await fetch(runner, client, *records(P0, 0, 1))
    assert (chunks.parked, chunks.applied) == ([(0, "stale-version")], [])


class NoRoom(PartitionBlocked):
    cause = Cause.QUOTA


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses without length: the next look for due ones ends them."""
    monkeypatch.setattr("klaster_shared.consuming.pausing.PACES", dict.fromkeys(Cause, Pace(0.0, 0.0)))


def shown(runner: Runner[Any], gauge: str) -> float | None:
    return runner._metrics.registry.get_sample_value(gauge, {"consumer": "c"})


async def test_a_message_that_can_neither_be_applied_nor_parked_holds_up_its_partition_and_no_other(
    runner: Runner[Any], chunks: Chunks, client: Client
) -> None:
    chunks.failures = {1: [Refused("no") for _ in range(9)]}
    chunks.unparkable = {1: ZeroDivisionError()}
    await fetch(runner, client, *records(P0, 0, 1, 2), *records(P1, 5))
    assert chunks.applied == [(0, 0), (1, 5)]
    assert (client.sought, client.paused) == ([(TopicPartition(*P0), 1)], [TopicPartition(*P0)])
    assert (runner.standings[P0].expected, shown(runner, "klaster_consumer_paused_partitions")) == (1, 1)


@pytest.mark.usefixtures("at_once")
async def test_a_paused_partition_is_tried_again_and_goes_on_when_the_obstacle_is_gone(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.failures = {0: [Refused("no") for _ in range(4)]}
    chunks.unparkable = {0: ZeroDivisionError()}
    await fetch(runner, client, *records(P0, 0, 1))
    runner.resume_due()
    await fetch(runner, client, *records(P0, 0, 1))
    assert (chunks.applied, shown(runner, "klaster_consumer_paused_partitions")) == ([], 1)
    runner.resume_due()
    assert client.resumed == [TopicPartition(*P0)] * 2
    await fetch(runner, client, *records(P0, 0, 1))
    assert (chunks.applied, shown(runner, "klaster_consumer_paused_partitions")) == ([(0, 0), (0, 1)], 0)


async def test_a_paused_partition_is_not_tried_before_its_time(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.held = {P0}
    await fetch(runner, client, *records(P0, 0))
    runner.resume_due()
    assert client.resumed == []


async def test_a_position_that_somebody_elses_transaction_holds_is_not_waited_for(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.held = {P0}
    await fetch(runner, client, *records(P0, 0, 1), *records(P1, 0))
    assert (chunks.applied, chunks.parked, list(runner.pauses)) == ([(1, 0)], [], [P0])


@pytest.mark.usefixtures("at_once")
async def test_a_partition_that_somebody_else_has_moved_meanwhile_is_no_longer_paused(
    runner: Runner[Any], chunks: Chunks, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_up(_lost: set[Partition]) -> None: ...

    monkeypatch.setattr(runner, "_take_up", take_up)
    chunks.held = {P0}
    await fetch(runner, client, *records(P0, 0))
    chunks.held, chunks.positions[P0] = set(), 1
    runner.resume_due()
    await fetch(runner, client, *records(P0, 0))
    assert len(runner.pauses) == 0


async def test_a_partition_without_room_to_park_stops_behind_what_can_be_applied(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.failures = {1: [NoRoom(P0, "no room") for _ in range(2)]}
    await fetch(runner, client, *records(P0, 0, 1, 2), *records(P1, 5))
    assert (chunks.applied, chunks.parked, runner.pauses.reasons()) == ([(0, 0), (1, 5)], [], {P0: "no room"})
    assert shown(runner, "klaster_parked_quota_stopped") == 1


async def test_a_revoke_ends_every_pause(runner: Runner[Any], chunks: Chunks, client: Client) -> None:
    chunks.held = {P0}
    await fetch(runner, client, *records(P0, 0))
    runner.forget_all()
    assert (len(runner.pauses), shown(runner, "klaster_consumer_paused_partitions")) == (0, 0)
