from klaster_local.settling import Look, behind
from klaster_shared.contracts.topics import Topic

TOPIC = Topic(name="klaster.events.event.v1", owner="events", key="event", readers=("budget",), partitions=2)
UNREAD = Topic(name="klaster.partners.network.v1", owner="partners", key="network", partitions=1)
ENDS = {(TOPIC.name, 0): (0, 5), (TOPIC.name, 1): (2, 4), (UNREAD.name, 0): (0, 9)}


def at(partition: int, offset: int, consumer: str = "budget.events") -> dict[str, object]:
    return {"consumer": consumer, "topic": TOPIC.name, "partition": partition, "next_offset": offset}


def test_nobody_is_behind_when_all_stand_at_the_ends() -> None:
    assert behind({"budget": [at(0, 5), at(1, 4)]}, ENDS, [TOPIC, UNREAD]) == 0


def test_what_a_consumer_has_not_passed_is_counted() -> None:
    assert behind({"budget": [at(0, 3), at(1, 4)]}, ENDS, [TOPIC]) == 2


def test_every_consumer_of_a_service_counts_for_itself() -> None:
    rows = [at(0, 5), at(1, 4), at(0, 0, "budget.other"), at(1, 4, "budget.other")]
    assert behind({"budget": rows}, ENDS, [TOPIC]) == 5


def test_a_partition_without_a_position_counts_from_where_its_log_starts() -> None:
    assert behind({"budget": [at(0, 5)]}, ENDS, [TOPIC]) == 2


def test_a_consumer_that_has_not_begun_is_behind_in_everything() -> None:
    assert behind({"budget": []}, ENDS, [TOPIC]) == 7


def test_a_topic_that_nobody_reads_holds_nothing_up() -> None:
    assert behind({}, ENDS, [UNREAD]) == 0


def test_a_look_is_quiet_when_nothing_is_under_way() -> None:
    assert Look(queued_deliveries=False, pending=0, behind=0, ends=ENDS).is_quiet
    assert not Look(queued_deliveries=True, pending=0, behind=0, ends=ENDS).is_quiet
    assert not Look(queued_deliveries=False, pending=1, behind=0, ends=ENDS).is_quiet
    assert not Look(queued_deliveries=False, pending=0, behind=1, ends=ENDS).is_quiet
