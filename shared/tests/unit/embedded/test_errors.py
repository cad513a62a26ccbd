from pathlib import Path

from klaster_shared.embedded.errors import ExitedEarly, PortTaken


def test_a_taken_port_is_told_in_one_line_with_its_purpose_and_its_setting() -> None:
    assert str(PortTaken(9092, "Kafka", "KLASTER_KAFKA_PORT")) == (
        "Port 9092 is taken; Kafka needs it. Stop what listens there, or choose another port with KLASTER_KAFKA_PORT, best in .env, where every command finds it."
    )


def test_an_early_end_shows_the_last_log_lines() -> None:
    assert str(ExitedEarly("Kafka", 1, Path("kafka.log"), "out of space")).endswith("last lines:\nout of space")


def test_an_early_end_by_a_signal_names_the_signal() -> None:
    assert "signal SIGKILL" in ExitedEarly("Kafka", -9, Path("kafka.log"), "").message
