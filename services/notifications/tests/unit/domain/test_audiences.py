from datetime import timedelta

import pytest

from klaster_notifications.domain.audiences import Contact, hears_of
from klaster_notifications.domain.ids import OrganisationId
from klaster_notifications.domain.rules import ContactsOf
from klaster_notifications.testing import NOON, a_cause, a_recipient, a_refusal
from klaster_shared.ids import new_id


def a_contact(*, seconds_later: float) -> Contact:
    """Recorded so long after the cause."""
    return Contact(recipient=a_recipient(), organisation=OrganisationId(new_id()), roles=(), recorded_at=NOON + timedelta(seconds=seconds_later))


@pytest.mark.parametrize("seconds_later", [-86_400, -1, 0, 4.999, 5])
def test_who_was_there_hears_of_it_give_or_take_the_clocks(seconds_later: float) -> None:
    assert hears_of(a_contact(seconds_later=seconds_later), a_cause(a_refusal(), recorded_at=NOON))


@pytest.mark.parametrize("seconds_later", [5.000001, 60])
def test_who_came_later_does_not(seconds_later: float) -> None:
    assert not hears_of(a_contact(seconds_later=seconds_later), a_cause(a_refusal(), recorded_at=NOON))


def test_an_audience_with_a_role_leaves_out_the_others() -> None:
    managers = ContactsOf(organisation="host_organisation_id", role="event_manager")

    assert managers.includes(("accountant", "event_manager"))
    assert not managers.includes(("accountant",))


def test_an_audience_without_a_role_leaves_out_nobody() -> None:
    assert ContactsOf(organisation="organisation_id").includes(())


def test_the_organisation_is_found_in_the_message() -> None:
    refusal = a_refusal()

    assert ContactsOf(organisation="host_organisation_id").organisation_in(a_cause(refusal).particulars) == refusal.host_organisation_id
