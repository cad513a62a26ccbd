import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import structlog

from klaster_shared.observability.correlation import flow_of_request, following
from klaster_shared.observability.logging import RateLimit, configure_logging
from klaster_shared.settings import LogFormat, LogLevel

type Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(restored: None) -> Lines:
    stream = StringIO()
    configure_logging("partners", level=LogLevel.INFO, stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_service_flow_and_fields(lines: Lines) -> None:
    with following(flow_of_request("order-42")):
        structlog.get_logger("klaster_test").info("published", topic="klaster.events.event.v1")
    (line,) = lines()
    expected = {"event": "published", "service": "partners", "correlation_id": "order-42", "topic": "klaster.events.event.v1", "level": "info"}
    assert line.items() >= expected.items()
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_write_the_same_kind_of_line(lines: Lines) -> None:
    logging.getLogger("some.library").warning("odd %s", "thing")
    (line,) = lines()
    assert (line["event"], line["logger"], line["service"]) == ("odd thing", "some.library", "partners")


def test_an_exceptions_text_does_not_reach_the_log(lines: Lines) -> None:
    try:
        int("name@example.org")
    except ValueError:
        structlog.get_logger("klaster_test").exception("failed")
        logging.getLogger("some.library").exception("failed")
    ours, theirs = lines()
    assert ours["error"] == theirs["error"] == "ValueError"
    assert "example.org" not in json.dumps([ours, theirs])


def test_lines_below_the_level_are_left_out(lines: Lines) -> None:
    structlog.get_logger("klaster_test").debug("detail")
    assert lines() == []


def test_a_flood_of_one_library_logger_is_cut(lines: Lines) -> None:
    for _ in range(500):
        logging.getLogger("aiokafka.conn").error("Unable to connect")
    logging.getLogger("klaster_test").error("still heard")
    written = [str(line["event"]) for line in lines()]
    assert written == ["Unable to connect"] * 5 + ["still heard"]


def test_after_the_window_the_number_of_lines_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("klaster_shared.observability.logging.time.monotonic", lambda: now)
    limit, record = RateLimit(burst=2, seconds=30), logging.LogRecord("aiokafka", logging.ERROR, "", 0, "down", None, None)
    passed = [limit.filter(record) for _ in range(7)]
    now = 31.0
    assert (passed, limit.filter(record), record.__dict__["left_out"]) == ([True, True] + [False] * 5, True, 5)


def test_uvicorns_access_log_is_off(lines: Lines) -> None:
    logging.getLogger("uvicorn.access").info("GET /v1/contacts?email=name@example.org")
    assert lines() == []


def test_the_console_form_is_for_people(restored: None) -> None:
    stream = StringIO()
    configure_logging("partners", form=LogFormat.CONSOLE, stream=stream)
    structlog.get_logger("klaster_test").info("published")
    assert "published" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
