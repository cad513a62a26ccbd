from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from klaster_notifications.adapters.smtp import Security
from klaster_notifications.domain.recipients import email_address, mailbox
from klaster_shared.settings import ServiceSettings

LOCAL_SENDER = "klaster@localhost"
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def _mailbox(given: str) -> str:
    plain = mailbox(email_address(given))
    if plain is None:
        raise ValueError("not a mailbox")
    return plain


class NotificationsSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_")

    service = "notifications"

    http_port: int = Field(default=8104, ge=0, le=65535, description="the port to listen on, 1 to 65535 (0: any free one)")
    smtp_host: str = Field(default="127.0.0.1", min_length=1, description="the mail server that takes our mail")
    smtp_port: int = Field(default=1025, ge=1, le=65535, description="the mail server's port, 1 to 65535")
    smtp_security: Security = Field(default=Security.NONE, description="none, starttls (required then) or tls (from the first byte)")
    smtp_username: str | None = Field(default=None, min_length=1, description="who logs in to the mail server; unset means nobody does")
    smtp_password: SecretStr | None = Field(default=None, description="the mail server's password, set together with the user name")
    sender_address: Annotated[str, AfterValidator(_mailbox)] = Field(
        default=LOCAL_SENDER,
        description="the mailbox that mails come from and answers go to; it must be given when the mail server is not on this machine",
    )
    sender_name: str = Field(default="Klaster LifeScience Kraków", min_length=1, max_length=200, description="the name beside the sender's address")
    send_connections: int = Field(default=4, ge=1, le=50, description="connections to the mail server at a time, 1 to 50")
    send_attempts: int = Field(
        default=24, ge=1, le=1000, description="how often a mail is offered before it counts as failed, 1 to 1000 (24: about three and a half hours)"
    )

    @field_validator("smtp_password")
    @classmethod
    def _goes_with_a_user_name(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (password is None) != (info.data.get("smtp_username") is None):
            raise ValueError("user name and password belong together")
        return password

    @field_validator("sender_address")
    @classmethod
    def _is_ours(cls, address: str, info: ValidationInfo) -> str:
        if address == LOCAL_SENDER and info.data.get("smtp_host") not in _THIS_MACHINE:
            raise ValueError("a mail server elsewhere needs a real sender")
        return address
