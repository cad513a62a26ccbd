"""What can go wrong with an engine, each in one line fit for a terminal."""

import signal
from pathlib import Path


class EngineError(Exception):
    """An engine or a child cannot do its work. The message is one line; `details` holds log lines, if any, and follows it in the text."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}\n{self.details}" if self.details else self.message


class PortTaken(EngineError):
    """Something else listens on a port we need."""

    def __init__(self, port: int, purpose: str, setting: str) -> None:
        super().__init__(
            f"Port {port} is taken; {purpose} needs it. Stop what listens there, or choose another port with {setting}, best in .env, where every command finds it."
        )
        self.port = port
        self.setting = setting


class ExitedEarly(EngineError):
    """A child ended before it was ready."""

    def __init__(self, name: str, code: int, log: Path, tail: str) -> None:
        super().__init__(f"{name} ended with {_meaning(code)} before it was ready. Its log is {log}; last lines:", tail)
        self.code = code


class NotReady(EngineError):
    """A child lived but was not ready in time; it has been ended."""

    def __init__(self, name: str, seconds: float, log: Path, tail: str) -> None:
        super().__init__(f"{name} was not ready within {seconds:g} s and was ended. Its log is {log}; last lines:", tail)


def _meaning(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
