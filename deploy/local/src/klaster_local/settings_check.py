"""Whether the services could use what the environment and `.env` tell them, found out before anything is started.

The one rule: nobody but a service knows its settings, so each is asked by its own `check-config`; what the stack decides itself is given.
"""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from klaster_local.configuration import SERVICES, Configuration
from klaster_local.service_commands import command_of
from klaster_local.stack import kept_bytecode
from klaster_local.supervising.wiring import wiring
from klaster_shared.embedded.ports import LOOPBACK

CHECK_SECONDS: Final = 60.0
_SOME_DATABASE: Final = f"postgresql://{LOOPBACK}/nowhere"


def complaints(configuration: Configuration) -> list[str]:
    """One sentence per variable that a service cannot use; one that several complain of is said once. Raises EngineError without a service's command."""
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        found = pool.map(lambda service: list(_complaints_of(configuration, service)), SERVICES)
        return list(dict.fromkeys(sentence for sentences in found for sentence in sentences))


def _complaints_of(configuration: Configuration, service: str) -> Iterator[str]:
    command = command_of(service)
    wired = wiring(configuration, service, database_url=_SOME_DATABASE)
    done = subprocess.run(
        [command, "check-config"],
        env={**os.environ, **kept_bytecode(os.environ), **configuration.environment, **wired},
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )
    if done.returncode:
        yield from (line.removeprefix(f"klaster-{service}: ") for line in done.stderr.splitlines())
