import pytest

from klaster_budget.settings import BudgetSettings
from klaster_shared.settings import SettingsError

URL = "postgresql://budget:secret@localhost/budget"


def test_invoices_are_taken_from_the_erp_unless_told_otherwise() -> None:
    assert BudgetSettings.load(database_url=URL).allowed_sources == {"/accounting/erp"}


def test_several_sources_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDGET_ACCOUNTING_SOURCES", "/accounting/erp, /accounting/payroll,")
    assert BudgetSettings.load(database_url=URL).allowed_sources == {"/accounting/erp", "/accounting/payroll"}


@pytest.mark.parametrize("given", [",", "erp", "/accounting/erp,/klaster/events/event"])
def test_a_source_that_is_no_accounting_system_is_refused_at_the_start(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDGET_ACCOUNTING_SOURCES", given)
    with pytest.raises(SettingsError, match="BUDGET_ACCOUNTING_SOURCES"):
        BudgetSettings.load(database_url=URL)
