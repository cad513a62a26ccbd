from pydantic import Field
from pydantic_settings import SettingsConfigDict

from klaster_shared.settings import ServiceSettings


class PartnersSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="PARTNERS_")

    service = "partners"

    http_port: int = Field(default=8101, ge=0, le=65535, description="the port to listen on, 1 to 65535 (0: any free one)")
