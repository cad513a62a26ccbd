from pathlib import Path

import pytest

from klaster_local.topics import Alteration, Creation, Found, Plan, Refusal, UnreadableDeclaration, declared, plan, settings_of
from klaster_shared.contracts.topics import Topic

EVENTS = Topic(name="klaster.events.event.v1", owner="events", key="event", readers=("budget",), partitions=6, retention_ms=-1)
AS_WANTED = {"cleanup.policy": "delete", "min.insync.replicas": "1", "retention.bytes": "-1", "retention.ms": "-1"}
NOTHING = Plan(creations=(), alterations=(), refusals=(), unknown=())
FILE = """
topics:
  klaster.events.event.v1:
    owner: events
    key: event
    readers: [budget]
    partitions: 6
    retention_ms: -1
"""


def found(*, partitions: int = 6, replicas: int = 1, **settings: str) -> Found:
    changed = {key.replace("_", "."): value for key, value in settings.items()}
    return Found(partitions=partitions, replicas=replicas, settings={**AS_WANTED, **changed})


def test_a_missing_topic_is_created_with_everything_declared() -> None:
    assert plan([EVENTS], {}, replication_factor=3).creations == (
        Creation(
            topic="klaster.events.event.v1",
            partitions=6,
            replication_factor=3,
            settings={"cleanup.policy": "delete", "min.insync.replicas": "2", "retention.bytes": "-1", "retention.ms": "-1"},
        ),
    )


def test_a_topic_as_declared_needs_nothing() -> None:
    assert plan([EVENTS], {EVENTS.name: found()}, replication_factor=1) == NOTHING


def test_nothing_to_do_is_no_drift() -> None:
    assert not NOTHING.is_drift


def test_a_differing_setting_is_altered_and_the_others_are_left() -> None:
    planned = plan([EVENTS], {EVENTS.name: found(retention_ms="604800000")}, replication_factor=1)
    assert planned.alterations == (Alteration(topic=EVENTS.name, settings={"retention.ms": "-1"}, instead_of={"retention.ms": "604800000"}),)
    assert planned.is_drift


def test_a_topic_that_forgets_by_size_is_drift() -> None:
    assert plan([EVENTS], {EVENTS.name: found(retention_bytes="1000000")}, replication_factor=1).alterations


def test_a_setting_that_the_broker_does_not_tell_is_set() -> None:
    silent = Found(partitions=6, replicas=1, settings={})
    (alteration,) = plan([EVENTS], {EVENTS.name: silent}, replication_factor=1).alterations
    assert alteration == Alteration(topic=EVENTS.name, settings=AS_WANTED, instead_of={})


@pytest.mark.parametrize("partitions", [1, 5, 7])
def test_another_partition_count_is_refused_with_its_reason(partitions: int) -> None:
    planned = plan([EVENTS], {EVENTS.name: found(partitions=partitions)}, replication_factor=1)
    (refusal,) = planned.refusals
    assert f"{partitions} partitions instead of 6" in refusal.reason
    assert "order" in refusal.reason
    assert (planned.creations, planned.alterations) == ((), ())
    assert planned.is_drift


def test_another_replication_factor_is_refused() -> None:
    planned = plan([EVENTS], {EVENTS.name: found(min_insync_replicas="2")}, replication_factor=3)
    assert planned.refusals == (Refusal(topic=EVENTS.name, reason=planned.refusals[0].reason),)
    assert "1 replicas instead of 3" in planned.refusals[0].reason


def test_topics_of_ours_that_nobody_declared_are_reported_as_drift() -> None:
    planned = plan([EVENTS], {EVENTS.name: found(), "klaster.events.event.v0": found(), "klaster.a.b.v1": found()}, replication_factor=1)
    assert planned.unknown == ("klaster.a.b.v1", "klaster.events.event.v0")
    assert planned.is_drift


def test_topics_of_others_are_nobodys_business() -> None:
    assert plan([EVENTS], {EVENTS.name: found(), "erp.ledger": found()}, replication_factor=1) == NOTHING


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_a_write_needs_all_replicas_but_one(replicas: int, in_sync: str) -> None:
    assert settings_of(EVENTS, replication_factor=replicas)["min.insync.replicas"] == in_sync


def test_a_declaration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text(FILE)
    assert declared(path) == (EVENTS,)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("topics: [", "topics.yaml"),
        ("", "topics.yaml"),
        ("topics: {}\nextra: 1", "extra"),
        (FILE.replace("partitions: 6", "partitions: 0"), "klaster.events.event.v1.partitions"),
        (FILE.replace("partitions: 6", "partitions: '6'"), "klaster.events.event.v1.partitions"),
        (FILE.replace("owner: events", "owners: events"), "owner"),
        (FILE.replace("retention_ms: -1", "retention_ms: -2"), "retention_ms"),
        (FILE.replace("klaster.events.event.v1", "events"), "events"),
    ],
)
def test_a_wrong_declaration_is_refused_where_it_is_wrong(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text(text)
    with pytest.raises(UnreadableDeclaration, match=named):
        declared(path)


def test_a_missing_declaration_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDeclaration, match="nowhere"):
        declared(tmp_path / "nowhere.yaml")
