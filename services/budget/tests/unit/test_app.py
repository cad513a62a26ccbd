"""What the service says of itself, without a database."""

import pytest
from fastapi import FastAPI

from klaster_budget.app import create_app
from klaster_budget.settings import BudgetSettings


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(BudgetSettings.load(database_url="postgresql://budget@localhost/budget"))


def test_every_resource_can_be_created_listed_or_read_as_the_interface_says(app: FastAPI) -> None:
    paths = {path: set(methods) for path, methods in app.openapi()["paths"].items() if path.startswith("/v1/")}
    assert paths == {
        "/v1/grants": {"get", "post"},
        "/v1/grants/{grant_id}": {"get"},
        "/v1/commitments": {"get"},
        "/v1/commitments/{commitment_id}": {"get"},
        "/v1/rates": {"get", "post"},
        "/v1/rates/{rate_id}": {"get"},
        "/v1/expenditures": {"get", "post"},
        "/v1/expenditures/{expenditure_id}": {"get"},
    }


def test_the_messages_heard_and_said_are_described(app: FastAPI) -> None:
    described = str(app.state.asyncapi())
    for name in ("EventApproved", "InvoiceBooked", "GrantRegistered", "CommitmentRefused", "ExpenditureDeclared"):
        assert name in described
