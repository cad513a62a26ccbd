"""How the stack is: every part, and what is wrong with it. Works for the embedded stack and, as far as HTTP goes, for any other."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psutil
from pydantic import BaseModel

from klaster_local.alerts import Alert, alerts_of
from klaster_local.configuration import SERVICES, Configuration
from klaster_local.endpoints import Endpoint, endpoints
from klaster_local.failures import CommandFailed
from klaster_local.stack import Stack, process_of
from klaster_local.supervising.ownership import owner
from klaster_local.supervising.record import PartRecord, PartState, StackRecord

MEGABYTE = 1024 * 1024
SUPERVISOR = "supervisor"


class PartStatus(BaseModel):
    """`state` is the supervisor's word, or `ready`, `unready`, `down` for what answers (or not) without a supervisor of ours. `memory_mb` is
    what the process and its children have resident, shared memory divided among those who share it.
    """

    name: str
    kind: str
    url: str
    state: str
    pid: int | None = None
    restarts: int | None = None
    memory_mb: float | None = None
    up_seconds: int | None = None
    note: str = ""
    components: list[dict[str, Any]] = []

    @property
    def is_up(self) -> bool:
        return self.state in {PartState.RUNNING, "ready"}


class StackStatus(BaseModel):
    supervised: bool
    parts: list[PartStatus]
    alerts: list[Alert]

    @property
    def is_up(self) -> bool:
        return all(part.is_up for part in self.parts)


async def status_of(configuration: Configuration) -> StackStatus:
    """Of the supervised stack when there is one here, else of whatever answers at the configured addresses."""
    stack = Stack(configuration)
    record = stack.record() if stack.is_running else None
    reached = configuration if record is None else configuration.embedded()
    async with endpoints(reached) as services:
        looks = await asyncio.gather(*(_look(service) for service in services.values()))
    ready = {name: readiness for name, (readiness, _) in zip(services, looks, strict=True)}
    alerts = [alert for _, found in looks for alert in found]
    if record is None:
        return StackStatus(supervised=False, parts=[_unsupervised(name, reached.url(name), ready[name]) for name in SERVICES], alerts=alerts)
    parts = [_supervisor(configuration, record), *(_supervised(part, ready.get(part.name)) for part in record.parts)]
    return StackStatus(supervised=True, parts=parts, alerts=alerts)


async def _look(service: Endpoint) -> tuple[dict[str, Any] | None, list[Alert]]:
    readiness = await service.readiness()
    if readiness is None:
        return None, []
    try:
        return readiness, alerts_of(service.service, await service.metrics())
    except CommandFailed:  # it has gone away in between
        return None, []


def _supervised(part: PartRecord, readiness: Mapping[str, Any] | None) -> PartStatus:
    process = process_of(part.pid, part.created)
    state, note = str(part.state), part.note or (f"started again because it {part.ended}" if part.ended else "")
    if part.state is PartState.RUNNING and part.kind == "service" and not (readiness and readiness["ready"]):
        state, note = "unready", readiness["reason"] if readiness else "does not answer"
    return PartStatus(
        name=part.name,
        kind=part.kind,
        url=part.url,
        state=state,
        restarts=part.restarts,
        note=note,
        components=list(readiness["components"]) if readiness else [],
        **_figures(process),
    )


def _unsupervised(name: str, url: str, readiness: Mapping[str, Any] | None) -> PartStatus:
    if readiness is None:
        return PartStatus(name=name, kind="service", url=url, state="down", note="does not answer")
    state = "ready" if readiness["ready"] else "unready"
    return PartStatus(name=name, kind="service", url=url, state=state, note=str(readiness["reason"] or ""), components=list(readiness["components"]))


def _supervisor(configuration: Configuration, record: StackRecord) -> PartStatus:
    pid = owner(configuration.state)
    process = None if pid is None else psutil.Process(pid)
    state = PartState.RUNNING if process else PartState.STOPPED
    return PartStatus(
        name=SUPERVISOR,
        kind=SUPERVISOR,
        url=str(configuration.state),
        state=state,
        restarts=0,
        note=record.failure,
        **_figures(process, children=False),
    )


def _figures(process: psutil.Process | None, *, children: bool = True) -> dict[str, Any]:
    if process is None:
        return {}
    try:
        family = [process, *(process.children(recursive=True) if children else ())]
        memory = sum(map(_memory, family))
        lived = datetime.now(UTC).timestamp() - process.create_time()
    except psutil.NoSuchProcess:
        return {}
    return {"pid": process.pid, "memory_mb": round(memory / MEGABYTE, 1), "up_seconds": int(lived)}


def _memory(process: psutil.Process) -> int:
    """Proportional where the system tells it: PostgreSQL's processes share most of theirs."""
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except (psutil.AccessDenied, psutil.ZombieProcess):
        return int(process.memory_info().rss)
