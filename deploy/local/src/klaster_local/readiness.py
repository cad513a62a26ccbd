"""Whether a service is there, and says that it is ready. On the standard library alone: the supervisor asks often and stays small."""

import http.client
import socket
from typing import Final
from urllib.parse import urlsplit

OK: Final = 200
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


def listens(url: str) -> bool:
    """Whether anybody takes a connection at the host and port of `url`."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE_SECONDS):
            return True
    except OSError:
        return False
