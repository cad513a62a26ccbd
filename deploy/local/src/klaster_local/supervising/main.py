"""The supervisor process: `python -m klaster_local.supervising.main`, started by `klaster up`, detached from any terminal.

The one rule: **nothing it starts outlives it.** Children are tied to this process by the kernel; a proper stop ends services before engines, so
that their last words reach Kafka and PostgreSQL.
"""

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from klaster_local import topics
from klaster_local.configuration import SERVICES, Configuration
from klaster_local.supervising.blueprint import KAFKA, MAIL, POSTGRES, Blueprint
from klaster_local.supervising.ownership import AlreadyOwned, Ownership
from klaster_local.supervising.part import Part
from klaster_local.supervising.record import StackRecord, StackState
from klaster_local.supervising.requests import take_requests
from klaster_local.supervising.startup import Startup
from klaster_shared.embedded.errors import EngineError

REPLICAS_OF_A_LAPTOP = 1


class Supervisor:
    """One life of the stack, from its start to its stop."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._state = configuration.state
        self._blueprint = Blueprint(configuration)
        launches = (*self._blueprint.engines(), *self._blueprint.services())
        self._parts = {launch.name: Part(launch, changed=self._write, crashed=self._crashed) for launch in launches}
        self._record = StackRecord(supervisor=os.getpid(), started_at=datetime.now(UTC), parts=[part.record for part in self._parts.values()])
        self._stop_asked = asyncio.Event()

    async def run(self) -> int:
        """The exit code: 0 after a stop that was asked for, 1 when the stack could not be started."""
        take_requests(self._state)  # of an earlier life
        self._listen()
        self._write()
        start = asyncio.create_task(self._start())
        stop = asyncio.create_task(self._stop_asked.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        if start.done() and start.result():
            await stop
        failed = self._record.failure != ""
        for task in (start, stop):
            task.cancel()
        await asyncio.gather(start, stop, return_exceptions=True)
        await self._stop(failed=failed)
        return int(failed)

    async def _start(self) -> bool:
        startup = Startup(self._blueprint, self._parts, self._record, changed=self._write, apply_topics=self._apply_topics)
        try:
            await startup.run()
        except EngineError as error:
            self._record.failure = str(error)
            return False
        self._record.state = StackState.RUNNING
        self._write()
        return True

    async def _stop(self, *, failed: bool) -> None:
        if not failed:
            self._record.state = StackState.STOPPING
            self._write()
        await self._stop_parts(SERVICES)
        await self._stop_parts((MAIL, KAFKA, POSTGRES))
        if failed:
            # Said last: whoever waits for it may start anew at once.
            self._record.state = StackState.FAILED
        self._write()

    async def _stop_parts(self, names: Iterable[str]) -> None:
        await asyncio.gather(*(self._parts[name].stop() for name in names))

    def _apply_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._blueprint.kafka.servers, "log_level": 2})
        try:
            declared = topics.declared(self._configuration.topics_file)
            planned = topics.plan(declared, topics.look(admin), replication_factor=REPLICAS_OF_A_LAPTOP)
            failures = (*planned.refusals, *topics.apply(planned, admin).failures)
        except topics.UnreadableDeclaration as error:
            raise EngineError(f"The topics cannot be created: {error}") from error
        except KafkaException as error:
            raise EngineError(f"The topics cannot be created: {error.args[0].str()}") from error
        if failures:
            raise EngineError("Topics are not as declared.", "\n".join(f"{failure.topic} {failure.reason}" for failure in failures))

    def _crashed(self, error: BaseException) -> None:
        """A defect of ours ends the whole stack: a part that runs unwatched would be worse."""
        self._record.failure = f"The supervisor has a defect ({type(error).__name__}); see its log."
        traceback.print_exception(error)
        self._stop_asked.set()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked.set)
        loop.add_signal_handler(signal.SIGCHLD, self._look)
        loop.add_signal_handler(signal.SIGHUP, self._serve_requests)

    def _look(self) -> None:
        for part in self._parts.values():
            part.look()

    def _serve_requests(self) -> None:
        for name in take_requests(self._state):
            if name in self._parts:
                self._parts[name].ask_restart()

    def _write(self) -> None:
        self._record.write(self._state)


def main() -> int:
    configuration = Configuration.load()
    with contextlib.suppress(AlreadyOwned), Ownership(configuration.state):
        return asyncio.run(_supervise(configuration))
    sys.stderr.write(f"Another supervisor has {configuration.state}.\n")
    return 1


async def _supervise(configuration: Configuration) -> int:
    return await Supervisor(configuration).run()


if __name__ == "__main__":
    sys.exit(main())
