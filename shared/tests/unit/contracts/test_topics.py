import re

from klaster_shared.contracts.registry import all_messages
from klaster_shared.contracts.topics import TOPICS


def test_every_topic_carries_messages_and_every_message_has_a_topic() -> None:
    assert {kind.topic for kind in all_messages()} == TOPICS.keys()


def test_names_follow_one_pattern() -> None:
    for name in TOPICS:
        assert re.fullmatch(r"klaster\.[a-z]+\.[a-z]+\.v1", name), name


def test_a_topic_of_a_service_is_written_by_that_service() -> None:
    for topic in TOPICS.values():
        assert topic.service in {topic.owner, "inbound"}


def test_fact_topics_are_kept_for_ever_in_six_partitions() -> None:
    assert {(topic.partitions, topic.retention_ms) for topic in TOPICS.values()} == {(6, -1)}


def test_a_service_reads_of_its_own_messages_only_those_it_has_scheduled() -> None:
    scheduled = {kind.topic for kind in all_messages() if kind.scheduled}
    for topic in TOPICS.values():
        assert (topic.owner in topic.readers) is (topic.name in scheduled)
