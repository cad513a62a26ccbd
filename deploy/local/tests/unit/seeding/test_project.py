"""The committed seed: what the sources say is in it, and what they do not say is marked."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from klaster_local.seeding.model import Seed
from klaster_local.seeding.reading import read_seed

DIRECTORY = Path(__file__).parents[4] / "seed" / "mrpo-8.2"
PARTNERS = {"SKEMA": "FR", "GENOPOLE": "FR", "BIOCON": "DE", "BIOARATEC": "ES", "LBA": "LV", "MIDLOTHIAN": "GB"}
RESERVED = (".example.org", "@example.org")


@pytest.fixture(scope="module")
def seed() -> Seed:
    return read_seed(DIRECTORY)


def test_leader_and_partners_are_those_of_the_project(seed: Seed) -> None:
    named = {each.key: each.country for each in seed.organisations if not each.illustrative}
    assert named == {"KLASTER": "PL", "JCI": "PL", **PARTNERS}


def test_the_cluster_has_seventy_further_members_in_the_published_mix(seed: Seed) -> None:
    members = [each for each in seed.organisations if each.illustrative]
    assert Counter(each.size for each in members if each.kind == "company") == {"micro": 20, "small": 5, "medium": 10, "large": 12}
    assert Counter(each.kind == "business_support" for each in members if each.size is None) == {False: 20, True: 3}
    assert {each.helix for each in members} == {"BioF", "R&D", "Edu", "Med", "Biz", "Gov"}


def test_reading_twice_gives_the_same_project(seed: Seed) -> None:
    assert read_seed(DIRECTORY) == seed


def test_everybody_named_belongs_to_the_cluster_and_twelve_joined_in_the_year(seed: Seed) -> None:
    cluster = [each for each in seed.memberships if each.network == "KLSK"]
    assert len(cluster) == 77
    assert len([each for each in cluster if each.upgraded is not None]) == 12


def test_the_cluster_is_full_in_one_network_and_associate_in_two(seed: Seed) -> None:
    assert {each.network: each.admitted.tier for each in seed.memberships if each.organisation == "KLASTER"} == {
        "GIN": "full",
        "ScanBalt": "associate",
        "CEBR": "associate",
    }


def test_the_lines_add_up_to_the_grant(seed: Seed) -> None:
    assert sum(Decimal(line.planned) for line in seed.grant.lines) == seed.grant.total.amount == Decimal("1087398.00")


def test_all_seven_tasks_have_events(seed: Seed) -> None:
    assert {each.task for each in seed.events} == set(range(1, 8))
    assert len([each for each in seed.events if each.kind == "conference"]) == 2


def test_only_the_event_that_is_to_be_refused_exceeds_its_line(seed: Seed) -> None:
    for line in seed.grant.lines:
        asked = sum(Decimal(event.costs.get(line.code, "0")) for event in seed.events if event.goal != "refused")
        assert asked <= Decimal(line.planned), line.code
    (refused,) = [each for each in seed.events if each.goal == "refused"]
    assert any(Decimal(amount) > seed.planned(line) for line, amount in refused.costs.items())


def test_one_event_has_more_registrations_than_seats_and_one_is_cancelled_after_some(seed: Seed) -> None:
    registered = Counter(each.event for each in seed.registrations)
    assert [each.key for each in seed.events if registered[each.key] > each.capacity] == ["workshop-2012"]
    assert [registered[each.key] > 0 for each in seed.events if each.goal == "cancelled"] == [True]


def test_everything_lies_in_the_period_of_the_grant(seed: Seed) -> None:
    days = [event.starts.date() for event in seed.events] + [event.ends.date() for event in seed.events]
    days += [rate.date for rate in seed.rates] + [each.document.issued_on for each in seed.expenditures]
    days += [each.issued_on for each in seed.invoices.invoices] + [each.applied_on for each in seed.memberships]
    days += [each.admitted.effective_on for each in seed.memberships]
    assert seed.grant.starts_on <= min(days)
    assert max(days) <= seed.grant.ends_on


def test_every_foreign_document_has_a_rate_of_its_day(seed: Seed) -> None:
    foreign = {(each.amount.currency, each.document.issued_on) for each in seed.expenditures}
    foreign |= {(each.amount.currency, each.issued_on) for each in seed.invoices.invoices}
    assert {(currency, day) for currency, day in foreign if currency != "PLN"} == {(rate.currency, rate.date) for rate in seed.rates}


def test_what_the_sources_do_not_say_is_marked(seed: Seed) -> None:
    unsaid = [*seed.events, *seed.rates, *seed.expenditures, *seed.invoices.invoices, *seed.grant.lines, *seed.registrations, *seed.memberships]
    unsaid += [contact for each in seed.organisations for contact in each.contacts]
    assert all(each.illustrative for each in unsaid)


def test_nobody_real_can_be_written_to(seed: Seed) -> None:
    addresses = [each.email for each in seed.registrations] + [contact.email for each in seed.organisations for contact in each.contacts]
    assert all(address.endswith(RESERVED) for address in addresses)


def test_nobody_registers_twice_for_one_event(seed: Seed) -> None:
    registered = Counter((each.event, each.email) for each in seed.registrations)
    assert max(registered.values()) == 1
