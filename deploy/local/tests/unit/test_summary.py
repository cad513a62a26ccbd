from typing import Any

from klaster_local.summary import Summary, delivery_figures, event_figures, grant_figures, handled, network_figures
from klaster_local.summary_view import amount


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "PLN"}


def test_memberships_are_counted_by_network_and_tier() -> None:
    networks = [{"id": "k", "code": "KLSK"}, {"id": "g", "code": "GIN"}]
    memberships: list[dict[str, Any]] = [{"network_id": "g", "tier": "associate"}, {"network_id": "k", "tier": None}]
    memberships += [{"network_id": "k", "tier": "full"}] * 3
    found = {each.code: (each.full, each.associate, each.observer, each.applied) for each in network_figures(networks, memberships)}
    assert found == {"KLSK": (3, 0, 0, 1), "GIN": (0, 1, 0, 0)}


def an_event(starts_at: str, **changes: Any) -> dict[str, Any]:
    event = {
        "id": starts_at,
        "title": {"pl": "W", "en": "V"},
        "kind": "workshop",
        "starts_at": starts_at,
        "status": "published",
        "financing": "secured",
    }
    return {**event, "refusal": None, "confirmed": 1, "waiting": 0, "capacity": 2, **changes}


def test_events_come_in_the_order_of_their_starts() -> None:
    found = event_figures([an_event("2012-01-01T00:00:00Z"), an_event("2011-05-01T00:00:00Z")])
    assert [each.starts_at[:4] for each in found] == ["2011", "2012"]


def test_a_refused_event_says_what_it_falls_short_by() -> None:
    refusal = {"reason": "insufficient", "line_code": "VISITS", "short_by": money("10.00"), "shortfalls": []}
    overdue: dict[str, Any] = {"reason": "overdue", "line_code": None, "short_by": None, "shortfalls": []}
    found = event_figures([an_event("2011", refusal=refusal), an_event("2012", refusal=overdue)])
    assert [each.refusal for each in found] == ["VISITS short by 10.00 PLN", "overdue"]


def test_a_grant_is_shown_line_by_line_and_in_total() -> None:
    sums = {"planned": money("9.00"), "committed": money("2.00"), "declared": money("1.00"), "available": money("6.00")}
    found = grant_figures({"code": "G", "total": money("9.00"), "lines": [{"code": "A", **sums}], "totals": sums})
    assert (found.currency, found.lines[0].code, found.totals.available) == ("PLN", "A", "6.00")


def test_deliveries_are_counted_by_rule_and_outcome() -> None:
    deliveries = [{"rule": "b", "status": "sent"}] * 2 + [{"rule": "b", "status": "failed"}, {"rule": "a", "status": "queued"}]
    assert [(each.rule, each.sent, each.queued, each.failed) for each in delivery_figures(deliveries)] == [("a", 0, 1, 0), ("b", 2, 0, 1)]


def test_what_consumers_have_passed_is_counted_from_the_start_of_the_log() -> None:
    ends = {("t", 0): (10, 20), ("t", 1): (0, 5)}
    positions = [{"topic": "t", "partition": 0, "next_offset": 15}, {"topic": "t", "partition": 1, "next_offset": 5}]
    assert handled(positions, ends) == 10


def test_a_position_in_a_topic_that_is_gone_counts_nothing() -> None:
    assert handled([{"topic": "gone", "partition": 0, "next_offset": 15}], {}) == 0


def test_amounts_are_grouped_with_spaces_that_do_not_break() -> None:
    assert amount("1087398.00") == "1\u202f087\u202f398.00"
    assert amount("0.00") == "0.00"


def test_a_summary_is_plain_json() -> None:
    assert set(Summary.model_json_schema()["required"]) >= {"networks", "events", "grants", "deliveries", "messages"}
