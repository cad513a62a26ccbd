import pytest

from klaster_notifications.consumers import build_consumers
from klaster_notifications.domain.rules import RULES, CalendarMethod, ContactsOf, Registrant, Rule, rules_for
from klaster_notifications.testing import a_cancellation, a_confirmation, a_place_in_line, a_refusal, a_withdrawal, an_upgrade
from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.registry import by_ce_type, type_of


def names(message: Message) -> list[str]:
    return [rule.name for rule in rules_for(type_of(message).ce_type, message.model_dump(mode="json"))]


@pytest.mark.parametrize(
    ("message", "rules"),
    [
        (a_confirmation(), ["registration-confirmed"]),
        (a_place_in_line(), ["registration-waitlisted"]),
        (a_withdrawal(), ["registration-withdrawn"]),
        (a_cancellation(was="confirmed"), ["registration-cancelled-confirmed"]),
        (a_cancellation(was="waitlisted"), ["registration-cancelled-waitlisted"]),
        (a_refusal(), ["commitment-refused"]),
        (an_upgrade(), ["membership-upgraded"]),
    ],
)
def test_each_message_sets_off_its_rule(message: Message, rules: list[str]) -> None:
    assert names(message) == rules


def test_a_message_without_a_rule_sets_off_nothing() -> None:
    assert rules_for("pl.lifescience.partners.NetworkRegistered.v1", {}) == ()


def test_only_a_confirmed_place_enters_a_calendar_and_only_a_confirmed_one_leaves_it() -> None:
    calendars = {rule.name: rule.calendar for rule in RULES if rule.calendar is not None}

    assert calendars == {
        "registration-confirmed": CalendarMethod.REQUEST,
        "registration-cancelled-confirmed": CalendarMethod.CANCEL,
    }


def test_a_refusal_concerns_the_event_managers_of_the_host_and_an_upgrade_all_contacts_of_the_member() -> None:
    audiences = {rule.name: rule.audience for rule in RULES if not isinstance(rule.audience, Registrant)}

    assert audiences == {
        "commitment-refused": ContactsOf(organisation="host_organisation_id", role="event_manager"),
        "membership-upgraded": ContactsOf(organisation="organisation_id"),
    }


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_names_a_message_that_exists_and_is_heard(rule: Rule) -> None:
    message_type = rule.message_type
    heard = {ce_type for consumer in build_consumers() for ce_type in consumer.handlers}

    assert by_ce_type(message_type) is not None
    assert message_type in heard


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_fields_that_a_rule_looks_at_are_fields_of_its_message(rule: Rule) -> None:
    known = by_ce_type(rule.message_type)
    assert known is not None
    looked_at = set(rule.when) | ({rule.audience.organisation} if isinstance(rule.audience, ContactsOf) else set())

    assert looked_at <= set(known.model.model_fields)
