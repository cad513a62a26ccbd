"""An organisation's place in a network, on any day.

The one rule: tier and standing are never stored. Both follow from the dated history and the day that is asked about.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Self

from klaster_partners.domain.errors import AlreadyAdmitted, EffectiveTooEarly, NotAdmitted, NotAnUpgrade
from klaster_partners.domain.facts import MembershipWasAdmitted, MembershipWasApplied, MembershipWasUpgraded, Parties
from klaster_partners.domain.ids import MembershipId, NetworkId, OrganisationId
from klaster_partners.domain.tiers import Standing, Tier, TierChange
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant


@dataclass(slots=True, kw_only=True)
class Membership(Aggregate):
    """`history` is in the order of decision, and its effective days never fall; of two changes on one day the later decided holds."""

    id: MembershipId
    organisation: OrganisationId
    network: NetworkId
    applied_on: date
    applied_by: str
    applied_at: Instant
    history: list[TierChange] = field(default_factory=list)

    @classmethod
    def applied(cls, key: MembershipId, organisation: OrganisationId, network: NetworkId, *, on: date, by: str, at: Instant) -> Self:
        membership = cls(id=key, organisation=organisation, network=network, applied_on=on, applied_by=by, applied_at=at)
        membership.facts.append(MembershipWasApplied(membership=key, organisation=organisation, network=network, applied_on=on, at=at))
        return membership

    def admit(self, change: TierChange) -> None:
        """Gives the first tier; any tier may be the first.

        Raises:
            AlreadyAdmitted: there is a tier already.
            EffectiveTooEarly: it would hold before the day of the application.
        """
        if self.history:
            raise AlreadyAdmitted(self.id, self.history[-1].tier)
        self._require_effective(change, not_before=self.applied_on)
        self.history.append(change)
        self.facts.append(
            MembershipWasAdmitted(
                membership=self.id,
                organisation=self.organisation,
                network=self.network,
                applied_on=self.applied_on,
                change=change,
                at=change.decided_at,
            )
        )

    def upgrade(self, change: TierChange, *, parties: Parties) -> None:
        """Raises the tier. `parties` is what the two sides are called today, for those who have to be told.

        Raises:
            NotAdmitted: there is no tier yet.
            NotAnUpgrade: the tier is not above the last one decided.
            EffectiveTooEarly: it would hold before the last one does.
        """
        if not self.history:
            raise NotAdmitted(self.id)
        before = self.history[-1]
        if not change.tier.is_above(before.tier):
            raise NotAnUpgrade(self.id, before.tier, change.tier)
        self._require_effective(change, not_before=before.effective_on)
        self.history.append(change)
        self.facts.append(
            MembershipWasUpgraded(
                membership=self.id,
                organisation=self.organisation,
                network=self.network,
                applied_on=self.applied_on,
                before=before.tier,
                change=change,
                parties=parties,
                at=change.decided_at,
            )
        )

    def tier_on(self, day: date) -> Tier | None:
        """None while no tier is in effect."""
        return next((change.tier for change in reversed(self.history) if change.effective_on <= day), None)

    def standing_on(self, day: date) -> Standing:
        return Standing.APPLIED if self.tier_on(day) is None else Standing.ACTIVE

    def _require_effective(self, change: TierChange, *, not_before: date) -> None:
        if change.effective_on < not_before:
            raise EffectiveTooEarly(self.id, change.effective_on, not_before)
