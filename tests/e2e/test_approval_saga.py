"""Approval from the draft to the money and back, with budget as far away as it may be."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from klaster_shared.testing.desk import EFFECT_SECONDS, Desk, Json, money
from klaster_shared.testing.processes import ServiceProcess, Stack
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

SOON = "2"
"""Seconds that an approval waits for budget where a test wants it to lapse."""

type Settled = Callable[[], Awaitable[Any]]


@contextmanager
def away(service: ServiceProcess, how: str) -> Iterator[None]:
    """`frozen` keeps its connections and memory, `killed` loses both."""
    if how == "frozen":
        service.freeze()
    else:
        service.kill()
    try:
        yield
    finally:
        if how == "frozen":
            service.thaw()
        else:
            service.start()


async def asked_twice(desk: Desk, stack: Stack, grant: Json) -> tuple[Json, Json]:
    """An event whose first approval has lapsed unanswered and which has been approved again, as the two approvals left it."""
    event = await desk.draft(grant, costs={"workshops": "4000.00"})
    with stack["events"].configured(EVENTS_APPROVAL_ANSWER_SECONDS=SOON):
        await desk.step(event["id"], "submit")
        first = await desk.step(event["id"], "approve")
        lapsed = await desk.event_when(event["id"], status="draft", financing="refused")
        assert lapsed["refusal"]["reason"] == "overdue"
    await desk.step(event["id"], "submit")
    return first, await desk.step(event["id"], "approve")


async def answers(desk: Desk, event: Json) -> dict[str, str]:
    """Approval → status of the commitment that answers it."""
    return {commitment["approval_id"]: commitment["status"] for commitment in await desk.commitments(event["id"])}


async def nothing_to_publish(desk: Desk, service: str) -> bool:
    pending: int = (await desk.show(service, "/admin/outbox"))["pending"]
    return pending == 0


async def test_an_event_with_costs_is_published_once_its_money_is_reserved(desk: Desk) -> None:
    grant = await desk.grant(workshops="10000.00")
    event = await desk.draft(grant, costs={"workshops": "4000.00"})
    assert (event["status"], event["financing"]) == ("draft", "none")
    await desk.step(event["id"], "submit")
    approved = await desk.step(event["id"], "approve")
    assert approved["status"] == "approved"
    await desk.event_when(event["id"], status="approved", financing="secured")
    assert await desk.line(grant, "workshops") == {"planned": "10000.00", "committed": "4000.00", "declared": "0.00", "available": "6000.00"}
    await desk.step(event["id"], "publish")

    async def confirmed() -> bool:
        return await answers(desk, event) == {approved["approval"]["id"]: "confirmed"}

    await eventually(confirmed, within=EFFECT_SECONDS)
    assert (await desk.line(grant, "workshops"))["committed"] == "4000.00"


async def test_an_event_that_waits_for_its_money_cannot_be_published(desk: Desk, stack: Stack) -> None:
    grant = await desk.grant(workshops="10000.00")
    with away(stack["budget"], "frozen"):
        event = await desk.approved(grant, costs={"workshops": "4000.00"})
        answer = await desk.ask("POST", "events", f"/v1/events/{event['id']}/publish")
    assert (answer.status_code, answer.json()["type"], answer.json()["state"]) == (409, "/problems/financing-not-secured", "pending")
    await desk.event_when(event["id"], financing="secured")


async def test_a_refused_event_returns_to_draft_with_its_shortfalls(desk: Desk) -> None:
    grant = await desk.grant(workshops="1000.00", travel="500.00")
    event = await desk.approved(grant, costs={"workshops": "4000.00", "travel": "700.00"})
    refused = await desk.event_when(event["id"], status="draft", financing="refused")
    shortfalls = {short["line_code"]: short["short_by"] for short in refused["refusal"]["shortfalls"]}
    assert refused["refusal"]["reason"] == "insufficient"
    assert shortfalls == {"workshops": money("3000.00"), "travel": money("200.00")}
    assert (await desk.line(grant, "workshops"))["committed"] == "0.00"


async def test_approving_again_after_a_refusal_is_a_new_attempt(desk: Desk) -> None:
    grant = await desk.grant(workshops="1000.00")
    first = await desk.approved(grant, costs={"workshops": "4000.00"})
    await desk.event_when(first["id"], status="draft", financing="refused")
    path = f"/v1/events/{first['id']}"
    seen = await desk.ask("GET", "events", path)
    cheaper = {"costs": [{"line_code": "workshops", "amount": money("900.00")}]}
    revised = await desk.ask("PATCH", "events", path, json=cheaper, headers={"If-Match": seen.headers["ETag"]})
    assert revised.status_code == 200
    assert (await desk.step(first["id"], "submit"))["financing"] == "none"
    second = await desk.step(first["id"], "approve")
    await desk.event_when(first["id"], status="approved", financing="secured")
    assert await answers(desk, first) == {first["approval"]["id"]: "refused", second["approval"]["id"]: "reserved"}


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_late_answers_to_a_lapsed_approval_leave_the_second_one_alone(desk: Desk, stack: Stack, settled: Settled, how: str) -> None:
    """Budget is away while the first approval lapses and the second is given; then it answers both. The line carries one of them."""
    grant = await desk.grant(workshops="5000.00")
    with away(stack["budget"], how):
        first, second = await asked_twice(desk, stack, grant)
    await desk.event_when(first["id"], status="approved", financing="secured")
    await settled()
    event = await desk.event(first["id"])
    assert (event["status"], event["financing"], event["approval"]["id"]) == ("approved", "secured", second["approval"]["id"])
    assert await answers(desk, event) == {first["approval"]["id"]: "released", second["approval"]["id"]: "reserved"}
    assert (await desk.line(grant, "workshops"))["committed"] == "4000.00"
    lapsed, present = await desk.items("events", f"/v1/events/{event['id']}/approvals")
    assert (lapsed["outcome"], lapsed["refusal"]["reason"]) == ("overdue", "overdue")
    assert lapsed["release"]["lines"] == [{"line_code": "workshops", "amount": money("4000.00")}]
    assert (present["outcome"], present["release"]) == ("secured", None)


async def test_an_answer_on_its_way_while_the_deadline_passes_leaves_nothing_committed_that_no_event_carries(
    desk: Desk, stack: Stack, settled: Settled
) -> None:
    """The events service dies after it has asked, budget reserves, the deadline passes; back again, the service meets both at once."""
    grant = await desk.grant(workshops="5000.00")
    event = await desk.draft(grant, costs={"workshops": "4000.00"})
    with stack["events"].configured(EVENTS_APPROVAL_ANSWER_SECONDS=SOON):
        with away(stack["budget"], "frozen"):
            await desk.step(event["id"], "submit")
            await desk.step(event["id"], "approve")
            await eventually(lambda: nothing_to_publish(desk, "events"))
            stack["events"].kill()

        async def reserved() -> bool:
            return list((await answers(desk, event)).values()) == ["reserved"]

        await eventually(reserved, within=EFFECT_SECONDS)
    await settled()
    found, line = await desk.event(event["id"]), await desk.line(grant, "workshops")
    assert (found["status"], found["financing"], line["committed"]) in [("draft", "refused", "0.00"), ("approved", "secured", "4000.00")]


async def test_events_cancelled_right_after_their_approval_leave_nothing_committed(desk: Desk, settled: Settled) -> None:
    grant = await desk.grant(workshops="5000.00")
    drafts = [await desk.draft(grant, costs={"workshops": "100.00"}) for _ in range(20)]

    async def approved_and_cancelled(event: Json) -> None:
        await desk.step(event["id"], "submit")
        await desk.step(event["id"], "approve")
        await desk.cancel(event["id"])

    await asyncio.gather(*(approved_and_cancelled(event) for event in drafts))
    await settled()
    found = [await desk.event(event["id"]) for event in drafts]
    assert {(event["status"], event["financing"]) for event in found} == {("cancelled", "released")}
    assert (await desk.line(grant, "workshops"))["committed"] == "0.00"


async def test_fifty_concurrent_approvals_on_a_line_that_carries_ten_secure_ten(desk: Desk, settled: Settled) -> None:
    grant = await desk.grant(workshops="1000.00")
    events = [await desk.draft(grant, costs={"workshops": "100.00"}) for _ in range(50)]
    await asyncio.gather(*(desk.step(event["id"], "submit") for event in events))
    await asyncio.gather(*(desk.step(event["id"], "approve") for event in events))
    await settled()
    found = [await desk.event(event["id"]) for event in events]
    assert Counter((event["status"], event["financing"]) for event in found) == {("approved", "secured"): 10, ("draft", "refused"): 40}
    line = await desk.line(grant, "workshops")
    assert Decimal(line["committed"]) == Decimal(line["planned"]) == Decimal("1000.00")


async def test_two_hundred_concurrent_registrations_on_fifty_seats_keep_their_order(desk: Desk) -> None:
    event = await desk.published(capacity=50)
    await asyncio.gather(*(desk.register(event["id"]) for _ in range(200)))
    found = await desk.items("events", f"/v1/events/{event['id']}/registrations")
    waiting = [registration["position"] for registration in found if registration["status"] == "waitlisted"]
    assert Counter(registration["status"] for registration in found) == {"confirmed": 50, "waitlisted": 150}
    assert sorted(waiting) == list(range(1, 151))
    shown = await desk.event(event["id"])
    assert (shown["confirmed"], shown["waiting"]) == (50, 150)
