from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaster_partners.domain.errors import AlreadyAdmitted, EffectiveTooEarly, NotAdmitted, NotAnUpgrade
from klaster_partners.domain.facts import MembershipWasAdmitted, MembershipWasApplied, MembershipWasUpgraded
from klaster_partners.domain.tiers import Standing, Tier
from klaster_partners.testing import PARTIES, a_change, a_membership, day


def test_an_applicant_has_no_tier() -> None:
    membership = a_membership(applied_on="2011-04-01").build()

    assert membership.tier_on(day("2011-04-01")) is None
    assert membership.standing_on(day("2011-04-01")) is Standing.APPLIED


def test_an_applicant_is_admitted_from_the_effective_day_on() -> None:
    membership = a_membership().build()

    membership.admit(a_change(Tier.ASSOCIATE, on="2011-05-01"))

    assert membership.tier_on(day("2011-04-30")) is None
    assert membership.tier_on(day("2011-05-01")) is Tier.ASSOCIATE
    assert membership.standing_on(day("2011-04-30")) is Standing.APPLIED
    assert membership.standing_on(day("2011-05-01")) is Standing.ACTIVE


def test_an_associate_becomes_full_from_the_effective_day_on() -> None:
    membership = a_membership().admitted(Tier.ASSOCIATE, on="2011-05-01").build()

    membership.upgrade(a_change(Tier.FULL, on="2012-01-01"), parties=PARTIES)

    assert membership.tier_on(day("2011-12-31")) is Tier.ASSOCIATE
    assert membership.tier_on(day("2012-01-01")) is Tier.FULL


@pytest.mark.parametrize("tier", list(Tier))
def test_any_tier_may_be_the_first(tier: Tier) -> None:
    membership = a_membership().admitted(tier, on="2011-05-01").build()

    assert membership.tier_on(day("2011-05-01")) is tier


def test_admission_may_take_effect_on_the_day_of_the_application() -> None:
    membership = a_membership(applied_on="2011-04-01").admitted(Tier.OBSERVER, on="2011-04-01").build()

    assert membership.tier_on(day("2011-04-01")) is Tier.OBSERVER


def test_admission_cannot_take_effect_before_the_application() -> None:
    membership = a_membership(applied_on="2011-04-01").build()

    with pytest.raises(EffectiveTooEarly) as refusal:
        membership.admit(a_change(Tier.OBSERVER, on="2011-03-31"))

    assert refusal.value.fields["not_before"] == "2011-04-01"


def test_a_member_is_not_admitted_twice() -> None:
    membership = a_membership().admitted(Tier.ASSOCIATE, on="2011-05-01").build()

    with pytest.raises(AlreadyAdmitted) as refusal:
        membership.admit(a_change(Tier.FULL, on="2012-01-01"))

    assert (refusal.value.fields["standing"], refusal.value.fields["tier"]) == ("active", "associate")


def test_an_applicant_is_not_upgraded() -> None:
    membership = a_membership().build()

    with pytest.raises(NotAdmitted) as refusal:
        membership.upgrade(a_change(Tier.FULL, on="2012-01-01"), parties=PARTIES)

    assert refusal.value.fields["standing"] == "applied"


@pytest.mark.parametrize("requested", [Tier.OBSERVER, Tier.ASSOCIATE])
def test_an_associate_is_upgraded_neither_downwards_nor_to_the_same_tier(requested: Tier) -> None:
    membership = a_membership().admitted(Tier.ASSOCIATE, on="2011-05-01").build()

    with pytest.raises(NotAnUpgrade) as refusal:
        membership.upgrade(a_change(requested, on="2012-01-01"), parties=PARTIES)

    assert (refusal.value.fields["tier"], refusal.value.fields["requested"]) == ("associate", requested)


def test_an_upgrade_cannot_take_effect_before_the_tier_it_replaces() -> None:
    membership = a_membership().admitted(Tier.ASSOCIATE, on="2011-05-01").build()

    with pytest.raises(EffectiveTooEarly) as refusal:
        membership.upgrade(a_change(Tier.FULL, on="2011-04-30"), parties=PARTIES)

    assert refusal.value.fields["not_before"] == "2011-05-01"


def test_of_two_tiers_effective_on_one_day_the_later_decided_holds() -> None:
    membership = a_membership().admitted(Tier.ASSOCIATE, on="2011-05-01").upgraded(Tier.FULL, on="2011-05-01").build()

    assert membership.tier_on(day("2011-05-01")) is Tier.FULL


def test_a_refused_change_leaves_no_trace() -> None:
    membership = a_membership().admitted(Tier.FULL, on="2011-05-01").build()
    history, facts = list(membership.history), list(membership.facts)

    with pytest.raises(NotAnUpgrade):
        membership.upgrade(a_change(Tier.FULL, on="2012-01-01"), parties=PARTIES)

    assert (membership.history, membership.facts) == (history, facts)


def test_every_step_is_one_fact() -> None:
    membership = a_membership().admitted(Tier.ASSOCIATE, on="2011-05-01").upgraded(Tier.FULL, on="2012-01-01").build()

    assert [type(fact) for fact in membership.facts] == [MembershipWasApplied, MembershipWasAdmitted, MembershipWasUpgraded]


def test_an_upgrade_says_from_which_tier_it_rose_and_who_the_sides_are() -> None:
    membership = a_membership().admitted(Tier.OBSERVER, on="2011-05-01").upgraded(Tier.FULL, on="2012-01-01").build()

    fact = membership.facts[-1]

    assert (fact.before, fact.change.tier, fact.parties) == (Tier.OBSERVER, Tier.FULL, PARTIES)


@given(effective=st.lists(st.dates(), min_size=3, max_size=3).map(sorted), asked=st.lists(st.dates(), min_size=2, max_size=2).map(sorted))
def test_tiers_never_fall_as_days_go_by(effective: list[date], asked: list[date]) -> None:
    membership = a_membership(applied_on="0001-01-01").admitted(Tier.OBSERVER, on=effective[0].isoformat()).build()
    membership.upgrade(a_change(Tier.ASSOCIATE, on=effective[1].isoformat()), parties=PARTIES)
    membership.upgrade(a_change(Tier.FULL, on=effective[2].isoformat()), parties=PARTIES)
    ranks = [None, *Tier]

    earlier, later = (ranks.index(membership.tier_on(asked_day)) for asked_day in asked)

    assert earlier <= later
