"""Whether a service is there, and says that it is ready or alive. On the standard library alone: the supervisor asks often and stays small."""

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

OK: Final = 200
UNAVAILABLE: Final = 503
PATIENCE_SECONDS: Final = 3.0


def is_ready(url: str) -> bool:
    """Whether `/readyz` below `url` answers 200; False also when nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", f"{parts.path}/readyz")
        return connection.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ailment_of(url: str) -> str:
    """Why the service at `url` says that only a new start of its process helps; empty when it does not say so, or nothing at all.

    A service that does not answer may be busy, or its machine may be: what it says is believed, what it does not say proves nothing.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", f"{parts.path}/livez")
        answer = connection.getresponse()
        return _ailment(json.load(answer)) if answer.status == UNAVAILABLE else ""
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    finally:
        connection.close()


def _ailment(said: Mapping[str, Any]) -> str:
    unwell = [f"{name}: {why}" for component in said.get("components", ()) for name, why in component.get("standstill", {}).items()]
    return "; ".join(unwell) or str(said.get("status", "not-alive"))


def listens(url: str) -> bool:
    """Whether anybody takes a connection at the host and port of `url`."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE_SECONDS):
            return True
    except OSError:
        return False
