from pathlib import Path

from klaster_local.topics import declared
from klaster_shared.contracts.topics import TOPICS

DECLARATION = Path(__file__).parents[2] / "deploy" / "kafka" / "topics.yaml"


def test_operations_and_code_declare_the_same_topics() -> None:
    assert {topic.name: topic for topic in declared(DECLARATION)} == TOPICS
