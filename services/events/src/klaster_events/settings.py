from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from klaster_shared.settings import ServiceSettings


class EventsSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="EVENTS_")

    service = "events"

    http_port: int = Field(default=8102, ge=0, le=65535, description="the port to listen on, 1 to 65535 (0: any free one)")
    approval_answer_seconds: int = Field(
        default=300, ge=1, le=2_592_000, description="how long an approved event waits for its money before it returns to draft, in seconds"
    )

    @property
    def answer_within(self) -> timedelta:
        return timedelta(seconds=self.approval_answer_seconds)
