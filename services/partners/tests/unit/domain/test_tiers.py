from itertools import product

from klaster_partners.domain.tiers import Tier


def test_tiers_rise_from_observer_over_associate_to_full() -> None:
    above = {(higher, lower) for higher, lower in product(Tier, Tier) if higher.is_above(lower)}

    assert above == {(Tier.ASSOCIATE, Tier.OBSERVER), (Tier.FULL, Tier.OBSERVER), (Tier.FULL, Tier.ASSOCIATE)}
