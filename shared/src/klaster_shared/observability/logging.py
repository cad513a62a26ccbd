"""One JSON line per outcome on standard output, whoever logs: our code through structlog, libraries through `logging`.

The one rule: a line carries what happened and which flow it belongs to, never a payload; library loggers that flood while a broker
is away are cut to a few lines a minute, and the lines left out are counted.
"""

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.types import Processor

from klaster_shared.observability.failures import described
from klaster_shared.settings import LogFormat, LogLevel

FLOODING: Final = ("aiokafka", "kafka", "faststream")
"""Loggers that repeat themselves 40 to 3000 times a second while a broker or a topic is away."""

_QUIET: Final = (*FLOODING, "uvicorn", "uvicorn.error", "uvicorn.asgi", "asyncio", "alembic", "sqlalchemy")


class RateLimit(logging.Filter):
    """Lets `burst` lines of each logger and level through per `seconds`, then says how many it left out."""

    def __init__(self, *, burst: int = 5, seconds: float = 30.0) -> None:
        super().__init__()
        self._burst = burst
        self._seconds = seconds
        self._windows: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key, now = (record.name, record.levelno), time.monotonic()
        began, seen = self._windows.get(key, (now, 0))
        if now - began >= self._seconds:
            if seen > self._burst:
                record.left_out = seen - self._burst
            began, seen = now, 0
        self._windows[key] = (began, seen + 1)
        return seen < self._burst


def configure_logging(service: str, *, level: LogLevel = LogLevel.INFO, form: LogFormat = LogFormat.JSON, stream: TextIO | None = None) -> None:
    """Called once by a command line before anything else logs. Lines go to `stream`, by default standard output."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service(service),
        _without_exception_text,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _left_out],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form, colours=handler.stream.isatty())],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _tame_libraries()
    for name in FLOODING:
        handler.addFilter(_Only(name, RateLimit()))


class _Only(logging.Filter):
    """A handler's filter that concerns one logger and what is below it: a logger's own filters do not see its children's records."""

    def __init__(self, name: str, inner: logging.Filter) -> None:
        super().__init__(name)
        self._inner = inner

    def filter(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        return self._inner.filter(record) if super().filter(record) else True


def _tame_libraries() -> None:
    """Everything goes through the one handler; of chatty libraries only warnings."""
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


def _renderer(form: LogFormat, *, colours: bool) -> Processor:
    if form is LogFormat.CONSOLE:
        return structlog.dev.ConsoleRenderer(colors=colours)
    return structlog.processors.JSONRenderer()


def _service(name: str) -> Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = name
        return event

    return add


def _without_exception_text(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception attached to a line is written as type and places: its text may repeat a row or a body."""
    attached = event.pop("exc_info", None)
    if attached is True:
        attached = sys.exc_info()
    error = attached[1] if isinstance(attached, tuple) else attached
    if isinstance(error, BaseException):
        event.update({name: value for name, value in described(error).items() if name not in event})
    return event


def _left_out(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record = event.get("_record")
    left_out = getattr(record, "left_out", 0)
    if left_out:
        event["left_out_before"] = left_out
    return event
