"""`python -m klaster_shared.testing.backbone_process URL SERVERS TOPIC NAME SESSION_MS [FILE]`: the backbone's consumer in a process of its own.

For tests that stop it where it stands or kill it: inside the test's own process neither is possible. With FILE, the handler of a message
named `hold` makes that file and goes on, inside its transaction, when somebody has removed it.
"""

import asyncio
import signal
import sys
from pathlib import Path

from klaster_shared.consuming import consumer
from klaster_shared.testing.backbone import Backbone, running
from klaster_shared.testing.waiting import eventually

HOLD = "hold"
HOLD_SECONDS = 120.0


async def main(url: str, servers: str, topic: str, name: str, session_ms: int, held: Path | None = None) -> None:
    """Until SIGTERM."""
    consumer.SESSION_MS = session_ms
    backbone = Backbone(url, servers, topic=topic, name=name)

    async def hold(name: str) -> None:
        if held is not None and name == HOLD:
            held.touch()  # noqa: ASYNC240 - nothing else is to happen in this process now
            await eventually(lambda: not held.exists(), within=HOLD_SECONDS, what="somebody to let go")

    backbone.ledger.after = hold
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with running(backbone.consumer, backbone.unparker):
        await told.wait()
    await backbone.database.dispose()


if __name__ == "__main__":
    url, servers, topic, name, session_ms, *held = sys.argv[1:]
    asyncio.run(main(url, servers, topic, name, int(session_ms), *map(Path, held)))
