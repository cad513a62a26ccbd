"""Ports of the loopback interface: asked for, tried and chosen.

The one rule: chosen ports come from below the range the kernel hands to outgoing connections, so that nothing but another listener can take one
between the choice and the start.
"""

import errno
import os
import random
import socket
import time

from klaster_shared.embedded.errors import EngineError, PortTaken

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_000
TRIES = 200
ENDING_SECONDS = 1.0
POLL_SECONDS = 0.02


def free_port() -> int:
    """A port of the loopback interface on which nobody listens. Raises EngineError if there is none."""
    for port in random.SystemRandom().sample(range(LOWEST, HIGHEST), TRIES):
        if _refusal(port) is None:
            return port
    raise EngineError(f"No free port between {LOWEST} and {HIGHEST}.")


def require_free_port(port: int, *, purpose: str, setting: str) -> None:
    """Raises PortTaken if a listener has the port, EngineError if we may not use it; ports that merely linger after a close are free.

    A listener may be the engine of a killed parent, on its way out: it is given a second.
    """
    deadline = time.monotonic() + ENDING_SECONDS
    while (refusal := _refusal(port)) == errno.EADDRINUSE or listening(port):
        if time.monotonic() > deadline:
            raise PortTaken(port, purpose, setting)
        time.sleep(POLL_SECONDS)
    if refusal is not None:
        raise EngineError(f"Port {port} cannot be used for {purpose}: {os.strerror(refusal)}. Choose another with {setting}.")


def listening(port: int, host: str = LOOPBACK) -> bool:
    """Whether someone accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _refusal(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            return error.errno
    return None
