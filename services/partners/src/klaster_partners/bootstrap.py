"""The composition root: chooses what stands behind every port. Nothing is opened here."""

from klaster_partners.adapters.work import PartnersWork
from klaster_partners.metrics import PartnersMetrics
from klaster_partners.settings import PartnersSettings
from klaster_shared.assembly import Assembly, assemble
from klaster_shared.clock import Clock

type Parts = Assembly[PartnersWork]


def build(settings: PartnersSettings, *, clock: Clock | None = None) -> Parts:
    return assemble(settings, work=PartnersWork, probes=lambda metrics, clock: [PartnersMetrics(metrics.registry, clock).refresh], clock=clock)
