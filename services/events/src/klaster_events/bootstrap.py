"""The composition root: chooses what stands behind every port. Nothing is opened here."""

from dataclasses import replace

from klaster_events.adapters.work import EventsWork
from klaster_events.consumers import build_consumers
from klaster_events.deadlines import Deadlines
from klaster_events.metrics import EventsMetrics
from klaster_events.settings import EventsSettings
from klaster_shared.assembly import Assembly, assemble
from klaster_shared.clock import Clock

type Parts = Assembly[EventsWork]


def build(settings: EventsSettings, *, clock: Clock | None = None) -> Parts:
    parts = assemble(
        settings,
        work=EventsWork,
        consumers=build_consumers(),
        probes=lambda metrics, clock: [EventsMetrics(metrics, clock).refresh],
        clock=clock,
    )
    return replace(parts, components=[*parts.components, Deadlines(parts.transactions)])
