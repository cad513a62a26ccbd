"""One supervised process: started, watched, and started again when it dies.

The one rule: a part is started from the supervisor's main thread (the kernel ties a child to the thread that started it), and only waiting
happens elsewhere. A death is noticed by SIGCHLD, not by looking around. A part that lives and says of itself that it does
not is asked now and then, and restarted when it says so three times in a row.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from klaster_local.supervising.backoff import BackOff
from klaster_local.supervising.record import Kind, PartRecord, PartState
from klaster_shared.embedded.engine import Engine, Progress
from klaster_shared.embedded.errors import EngineError, ExitedEarly, NotReady, PortTaken
from klaster_shared.embedded.supervision import Child, Program

POLL_SECONDS = 0.05
LOOK_SECONDS = 5.0
"""How often a running part is asked whether it is alive."""
NOT_ALIVE_LOOKS = 3
"""So often in a row a part may say that it is not alive, before it is started anew: it may be about to mend by itself."""
FIRST_STARTS = 3
"""So often a part may die in its very first starts before the whole start is given up; a crash may leave traces that pass by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a part is started. `prepare` may take long the first time; `ready` and `ailment` may block for seconds and are asked in a thread.

    `ailment` is why only a new start helps, in the part's own words; empty while it is well, and while it says nothing.
    """

    name: str
    kind: Kind
    url: str
    prepare: Callable[[Progress], Program]
    ready: Callable[[], bool]
    ready_within: float
    ailment: Callable[[], str] = str


def engine_launch(name: str, engine: Engine, url: str) -> Launch:
    return Launch(name=name, kind="engine", url=url, prepare=engine.prepare, ready=engine.ready, ready_within=engine.ready_within)


class Part:
    """`changed` is called after every change of the record, `crashed` when the watching itself fails."""

    def __init__(self, launch: Launch, *, changed: Callable[[], None], crashed: Callable[[BaseException], None]) -> None:
        self.record = PartRecord(name=launch.name, kind=launch.kind, url=launch.url)
        self._launch = launch
        self._changed = changed
        self._crashed = crashed
        self._child: Child | None = None
        self._attention = asyncio.Event()
        self._first_start: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._backoff = BackOff()
        self._restart_asked = False
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the part is ready for the first time; it is kept running from then on.

        Raises EngineError when it cannot be started: at once for what repeating cannot mend, else after three tries.
        """
        self._keeper = asyncio.create_task(self._keep(), name=self._launch.name)
        self._keeper.add_done_callback(self._keeper_ended)
        await asyncio.shield(self._first_start)

    def look(self) -> None:
        """Some child has changed its state; perhaps ours."""
        self._attention.set()

    def ask_restart(self) -> None:
        """A restart that somebody wants: at once, and not counted."""
        self._restart_asked = True
        self._attention.set()

    async def stop(self) -> None:
        """Ends the process, with SIGKILL after its grace; it is not started again."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._child is not None:
            await asyncio.to_thread(self._child.stop)
        self._note(PartState.STOPPED, pid=None)

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._bring_up()
                if not self._first_start.done():
                    self._first_start.set_result(None)
                why = await self._end()
            except EngineError as error:
                if self._is_hopeless(error):
                    self._first_start.set_exception(error)
                    return
                why = error.message
            if self._restart_asked:
                self._restart_asked = False
                continue
            self.record.restarts += 1
            self.record.ended = why
            pause = self._backoff.after(time.monotonic() - began)
            self._note(PartState.PAUSED, pid=None, note=f"{why}; started again after {pause:g} s")
            await self._pause(pause)

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            self._crashed(error)

    def _is_hopeless(self, error: EngineError) -> bool:
        if self._first_start.done():
            return False
        may_pass = isinstance(error, ExitedEarly) and not isinstance(error, PortTaken)
        return not may_pass or self.record.restarts + 1 >= FIRST_STARTS

    async def _bring_up(self) -> None:
        launch = self._launch
        self._note(PartState.STARTING, pid=None)
        child = Child(launch.prepare(self._progress))
        child.start()
        self._child = child
        self._note(PartState.STARTING, pid=child.pid)
        deadline = time.monotonic() + launch.ready_within
        try:
            while not await asyncio.to_thread(launch.ready):
                self._require_alive(child, deadline)
                await asyncio.sleep(POLL_SECONDS)
            self._require_alive(child, deadline)
        except NotReady:
            child.kill()
            raise
        self._note(PartState.RUNNING, pid=child.pid, note=self.record.note)

    def _require_alive(self, child: Child, deadline: float) -> None:
        name, log = self._launch.name, child.program.log
        code = child.poll()
        if code is not None:
            raise ExitedEarly(name, code, log, child.log_tail())
        if time.monotonic() > deadline:
            raise NotReady(name, self._launch.ready_within, log, child.log_tail())

    async def _end(self) -> str:
        """Waits for the end of the process and says how it came about; ends it if a restart is asked for, or when it says that it needs one."""
        child = self._child
        assert child is not None  # noqa: S101 - _bring_up has set it
        ailments: list[str] = []
        while (code := child.poll()) is None:
            if self._restart_asked:
                await asyncio.to_thread(child.stop)
            elif len(ailments) == NOT_ALIVE_LOOKS:
                await asyncio.to_thread(child.stop)
                return f"was not alive ({ailments[-1]})"
            elif not await self._is_called(within=LOOK_SECONDS):
                ailment = await asyncio.to_thread(self._launch.ailment)
                ailments = [*ailments, ailment] if ailment else []
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    async def _is_called(self, *, within: float) -> bool:
        """Whether somebody wants attention before the time is over."""
        try:
            async with asyncio.timeout(within):
                await self._attention.wait()
        except TimeoutError:
            return False
        self._attention.clear()
        return True

    async def _pause(self, seconds: float) -> None:
        """Cut short when a restart is asked for."""
        try:
            async with asyncio.timeout(seconds):
                while not self._restart_asked:
                    await self._attention.wait()
                    self._attention.clear()
        except TimeoutError:
            return
        self._restart_asked = False

    def _progress(self, text: str) -> None:
        self.record.note = text
        self._changed()

    def _note(self, state: PartState, *, pid: int | None, note: str = "") -> None:
        self.record.state, self.record.pid, self.record.note = state, pid, note
        self.record.created = None if pid is None else _created(pid)
        self._changed()


def _created(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
