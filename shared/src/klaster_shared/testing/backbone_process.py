"""`python -m klaster_shared.testing.backbone_process URL SERVERS TOPIC NAME SESSION_MS`: the backbone's consumer in a process of its own.

For tests that stop it where it stands or kill it: inside the test's own process neither is possible.
"""

import asyncio
import signal
import sys

from klaster_shared.consuming import consumer
from klaster_shared.testing.backbone import Backbone, running


async def main(url: str, servers: str, topic: str, name: str, session_ms: int) -> None:
    """Until SIGTERM."""
    consumer.SESSION_MS = session_ms
    backbone = Backbone(url, servers, topic=topic, name=name)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with running(backbone.consumer, backbone.unparker):
        await told.wait()
    await backbone.database.dispose()


if __name__ == "__main__":
    url, servers, topic, name, session_ms = sys.argv[1:]
    asyncio.run(main(url, servers, topic, name, int(session_ms)))
