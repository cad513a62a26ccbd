"""What the cluster's office asks first, as figures: how many organisations, networks and members there are today."""

from prometheus_client import CollectorRegistry, Gauge

from klaster_partners.adapters.reading import census
from klaster_partners.domain.tiers import Standing, Tier
from klaster_shared.clock import Clock, day_in_warsaw
from klaster_shared.db.engine import Connection


class PartnersMetrics:
    """`refresh` is a probe of `StoredState`."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self.organisations = Gauge("klaster_partners_organisations", "Organisations registered.", registry=registry)
        self.networks = Gauge("klaster_partners_networks", "Networks registered.", registry=registry)
        self.memberships = Gauge(
            "klaster_partners_memberships",
            "Memberships by what they are today in Europe/Warsaw; an applicant's tier is empty.",
            ["standing", "tier"],
            registry=registry,
        )

    async def refresh(self, connection: Connection) -> None:
        counted = await census(connection, on=day_in_warsaw(self._clock.now()))
        self.organisations.set(counted.organisations)
        self.networks.set(counted.networks)
        self.memberships.labels(Standing.APPLIED, "").set(counted.memberships.get(None, 0))
        for tier in Tier:
            self.memberships.labels(Standing.ACTIVE, tier).set(counted.memberships.get(tier, 0))
