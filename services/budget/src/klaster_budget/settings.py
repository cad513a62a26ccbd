from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from klaster_shared.settings import ServiceSettings

_OF_ACCOUNTING = "/accounting/"


def _sources(given: str) -> str:
    sources = [source.strip() for source in given.split(",") if source.strip()]
    if not sources or not all(source.startswith(_OF_ACCOUNTING) for source in sources):
        raise ValueError(f"each source begins with {_OF_ACCOUNTING}")
    return ",".join(sources)


class BudgetSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BUDGET_")

    service = "budget"

    http_port: int = Field(default=8103, ge=0, le=65535, description="the port to listen on, 1 to 65535 (0: any free one)")
    accounting_sources: Annotated[str, AfterValidator(_sources)] = Field(
        default="/accounting/erp", description="the ce_source of every system whose invoices are taken, as /accounting/SYSTEM,/accounting/SYSTEM"
    )

    @property
    def allowed_sources(self) -> frozenset[str]:
        return frozenset(self.accounting_sources.split(","))
