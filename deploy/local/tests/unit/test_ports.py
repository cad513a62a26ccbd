import socket
from collections.abc import Iterator

import pytest

from klaster_local.configuration import Configuration
from klaster_local.ports import Need, doubly_needed, needs_of, taken
from klaster_shared.embedded.ports import free_port

# A port is asked for by trying it; nothing leaves this machine.
pytestmark = pytest.mark.embedded


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        yield server.getsockname()[1]


def test_every_part_needs_a_port_with_a_variable_of_its_own() -> None:
    needs = needs_of(Configuration.load({}))
    assert len({need.port for need in needs}) == len({need.variable for need in needs}) == 7


def test_a_free_port_is_no_problem() -> None:
    assert taken((Need(free_port(), "Kafka", "KLASTER_KAFKA_PORT"),)) == []


def test_a_taken_port_is_named_with_its_purpose_and_its_variable(listener: int) -> None:
    (sentence,) = taken((Need(listener, "Kafka", "KLASTER_KAFKA_PORT"),))
    assert f"Port {listener} is taken; Kafka needs it." in sentence
    assert "KLASTER_KAFKA_PORT" in sentence


def test_all_taken_ports_are_said_at_once(listener: int) -> None:
    assert len(taken((Need(listener, "Kafka", "A"), Need(listener, "PostgreSQL", "B")))) == 2


def test_one_port_for_two_parts_is_said_with_both_variables() -> None:
    (sentence,) = doubly_needed((Need(9092, "Kafka", "KLASTER_KAFKA_PORT"), Need(9092, "PostgreSQL", "KLASTER_POSTGRES_PORT")))
    assert sentence == "Port 9092 is given to Kafka and to PostgreSQL: change KLASTER_KAFKA_PORT or KLASTER_POSTGRES_PORT."
