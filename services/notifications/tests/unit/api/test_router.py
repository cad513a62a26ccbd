"""The routes that need no database; those of deliveries are tested on one (`integration/test_http.py`)."""

from collections.abc import AsyncIterator

import httpx
import pytest

from klaster_notifications.app import create_app
from klaster_notifications.settings import NotificationsSettings
from klaster_shared.web.testing import client_of


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(NotificationsSettings.load(database_url="postgresql://role:password@localhost/notifications"))
    async with client_of(app) as made:
        yield made
    await app.state.database.dispose()


async def test_rules_say_what_is_sent_to_whom_on_which_message(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/rules")

    rules = {rule["name"]: rule for rule in answer.json()["items"]}
    assert rules["commitment-refused"] == {
        "name": "commitment-refused",
        "message_type": "pl.lifescience.budget.CommitmentRefused.v1",
        "when": {},
        "audience": {"kind": "contacts", "organisation": "host_organisation_id", "role": "event_manager"},
        "template": "commitment_refused",
        "channel": "email",
        "calendar": None,
    }
    assert rules["registration-cancelled-confirmed"]["when"] == {"was": "confirmed"}
    assert rules["registration-cancelled-confirmed"]["calendar"] == "CANCEL"
    assert rules["registration-confirmed"]["audience"] == {"kind": "registrant", "organisation": None, "role": None}


async def test_a_rule_is_found_by_its_name(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/rules/membership-upgraded")).json()["template"] == "membership_upgraded"


async def test_templates_say_on_which_messages_they_are_sent(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/templates")

    templates = {template["name"]: template for template in answer.json()["items"]}
    assert templates["registration_cancelled"]["message_types"] == ["pl.lifescience.events.RegistrationCancelled.v1"]
    assert all(template["locales"] == ["en", "pl"] for template in templates.values())
    assert answer.json()["next"] is None


async def test_a_template_shows_its_text(client: httpx.AsyncClient) -> None:
    template = (await client.get("/v1/templates/registration_confirmed")).json()

    assert "Potwierdzenie udziału" in template["sources"]["pl"]
    assert "Your place is confirmed" in template["sources"]["en"]


@pytest.mark.parametrize("path", ["/v1/rules/newsletter", "/v1/templates/newsletter"])
async def test_what_does_not_exist_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
