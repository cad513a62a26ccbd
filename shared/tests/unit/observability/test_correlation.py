from uuid import UUID

import pytest
import structlog

from klaster_shared.observability.correlation import flow_of_request, following


def test_a_request_without_a_correlation_id_begins_a_flow_of_its_own() -> None:
    flow = flow_of_request(None)
    assert UUID(flow.correlation_id) == UUID(flow.causation_id)


def test_a_request_joins_the_flow_its_caller_names() -> None:
    flow = flow_of_request("order-42")
    assert flow.correlation_id == "order-42"
    assert flow.causation_id != "order-42"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\nb", "żółw"])
def test_an_unfit_correlation_id_is_replaced_and_never_travels_on(given: str) -> None:
    flow = flow_of_request(given)
    assert flow.correlation_id == flow.causation_id


def test_log_lines_carry_the_flow_only_inside_it() -> None:
    with following(flow_of_request("order-42"), consumer="budget.events"):
        inside = structlog.contextvars.get_contextvars()
    assert (inside["correlation_id"], inside["consumer"]) == ("order-42", "budget.events")
    assert "correlation_id" not in structlog.contextvars.get_contextvars()
