import pytest

from klaster_notifications.settings import NotificationsSettings
from klaster_shared.settings import SettingsError

DATABASE = "postgresql://role:password@localhost/notifications"


def load(**given: object) -> NotificationsSettings:
    return NotificationsSettings.load(database_url=DATABASE, **given)


def complaint(**given: object) -> str:
    with pytest.raises(SettingsError) as refusal:
        load(**given)
    return str(refusal.value)


def test_the_defaults_are_those_of_a_developers_machine() -> None:
    settings = load()

    assert (settings.http_port, settings.smtp_host, settings.smtp_port, settings.sender_address) == (8104, "127.0.0.1", 1025, "klaster@localhost")


def test_a_mail_server_elsewhere_needs_a_sender_of_ours() -> None:
    assert "NOTIFICATIONS_SENDER_ADDRESS cannot be used" in complaint(smtp_host="mail.example.org")


def test_with_a_sender_any_mail_server_will_do() -> None:
    assert load(smtp_host="mail.example.org", sender_address="Office@Example.org").sender_address == "office@example.org"


@pytest.mark.parametrize("address", ["office", "office@example.org\r\nBcc: all@example.org", "two words@example.org"])
def test_a_sender_is_a_mailbox(address: str) -> None:
    said = complaint(sender_address=address)

    assert "NOTIFICATIONS_SENDER_ADDRESS cannot be used" in said
    assert address not in said


@pytest.mark.parametrize("given", [{"smtp_username": "klaster"}, {"smtp_password": "secret"}])
def test_a_user_name_and_a_password_come_together(given: dict[str, str]) -> None:
    said = complaint(**given)

    assert "NOTIFICATIONS_SMTP_PASSWORD cannot be used" in said
    assert "secret" not in said


def test_the_password_is_starred_when_settings_are_shown() -> None:
    shown = load(smtp_username="klaster", smtp_password="correct horse").redacted()

    assert "correct horse" not in "".join(shown.values())
