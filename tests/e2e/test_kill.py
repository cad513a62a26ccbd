"""A service that dies in the middle of the work: clients insist, the supervisor restarts it, and nobody can tell afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from klaster_shared.testing.desk import InsistentDesk, Json, a_code, money, open_desk
from klaster_shared.testing.processes import SERVICES, ServiceProcess, Stack
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

EVENTS, MEMBERS = 9, 5
HALF_WAY = 50
"""Commands answered before the service is killed; the whole burst has a little more than twice as many."""

type Settled = Callable[[], Awaitable[Any]]


@pytest.fixture
async def office(stack: Stack) -> AsyncIterator[InsistentDesk]:
    async with open_desk(stack.addresses, InsistentDesk) as desk:
        yield desk


async def story(office: InsistentDesk, run: str, host: str, grant: Json, number: int) -> None:
    """One event's life: refused, cancelled after registrations, or held and paid for."""
    title = {"pl": f"{run} {number}", "en": f"{run} {number}"}
    costs = {"travel": "200.00"} if number % 3 == 0 else {"workshops": "100.00"}
    event = await office.draft(grant, costs=costs, title=title, capacity=2, host_organisation_id=host)
    await office.step(event["id"], "submit")
    await office.step(event["id"], "approve")
    if number % 3 == 0:
        await office.event_when(event["id"], status="draft", financing="refused")
        return
    await office.event_when(event["id"], financing="secured")
    await office.step(event["id"], "publish")
    addresses = [f"{run}-{number}-{person}@example.org" for person in range(4)]
    first, *_ = [await office.register(event["id"], email=address) for address in addresses]
    await office.do("events", f"/v1/registrations/{first['id']}/withdraw")
    if number % 3 == 1:
        await office.cancel(event["id"])
        return
    document = {"number": f"{run}-{number}", "issued_on": "2011-09-14", "issuer": "Printing house"}
    spent = {"grant_id": grant["id"], "line_code": "workshops", "event_id": event["id"], "document": document, "amount": money("30.00")}
    await office.make("budget", "/v1/expenditures", spent)


async def burst(office: InsistentDesk, run: str) -> Json:
    """The whole work of a run; returns its grant."""
    host = await office.organisation(name=run)
    for role, locale in (("event_manager", "pl"), ("director", "en")):
        await office.contact(host["id"], email=f"{run}-{role}@example.org", locale=locale, roles=[role])
    membership = await office.membership(host["id"])
    grant = await office.grant(workshops="10000.00", travel="100.00")
    async with asyncio.TaskGroup() as work:
        for number in range(EVENTS):
            work.create_task(story(office, run, host["id"], grant, number))
        for number in range(MEMBERS):
            work.create_task(member(office, run, number))
    await office.decide(membership["id"], "admit", "associate")
    await office.decide(membership["id"], "upgrade", "full")
    return grant


async def member(office: InsistentDesk, run: str, number: int) -> None:
    """An organisation that joins, with two people."""
    organisation = await office.organisation(name=f"{run} member {number}")
    for person in range(2):
        await office.contact(organisation["id"], email=f"{run}-member-{number}-{person}@example.org")
    membership = await office.membership(organisation["id"])
    await office.decide(membership["id"], "admit", "associate")
    await office.decide(membership["id"], "upgrade", "full")


async def outcome(office: InsistentDesk, run: str, grant: Json) -> Any:
    """All business rows of a run, without what differs from run to run: ids, times, and the run's own name."""

    def own(text: str) -> str:
        assert text.startswith(run)
        return text.removeprefix(run)

    organisations = await office.items("partners", "/v1/organisations", q=run)
    memberships = [
        each for organisation in organisations for each in await office.items("partners", "/v1/memberships", organisation_id=organisation["id"])
    ]
    events = sorted(
        (each for each in await office.items("events", "/v1/events") if each["title"]["en"].startswith(run)), key=lambda each: each["title"]["en"]
    )
    registrations = {own(each["title"]["en"]): await office.items("events", f"/v1/events/{each['id']}/registrations") for each in events}
    deliveries = [each for each in await office.items("notifications", "/v1/deliveries") if each["recipient"].startswith(run)]
    return {
        "organisations": sorted(own(each["name"]) for each in organisations),
        "memberships": [(each["tier"], each["standing"], len(each["history"])) for each in memberships],
        "events": [(own(each["title"]["en"]), each["status"], each["financing"], each["confirmed"], each["waiting"]) for each in events],
        "registrations": {title: [(own(each["email"]), each["status"], each["position"]) for each in made] for title, made in registrations.items()},
        "lines": [await office.line(grant, code) for code in ("workshops", "travel")],
        "commitments": sorted(each["status"] for each in await office.items("budget", "/v1/commitments", grant_id=grant["id"])),
        "expenditures": sorted(
            (own(each["document"]["number"]), each["consumed_from_commitment"]["amount"]) for each in await office.expenditures(grant)
        ),
        "deliveries": sorted((own(each["recipient"]), each["rule"], each["locale"], each["status"]) for each in deliveries),
    }


async def parked_everywhere(office: InsistentDesk) -> int:
    return sum([len(await office.parked(service)) for service in SERVICES if service != "partners"])


@pytest.fixture(scope="module")
async def undisturbed(stack: Stack, settled: Settled) -> Any:
    run = a_code("run")
    async with open_desk(stack.addresses, InsistentDesk) as office:
        grant = await burst(office, run)
        await settled()
        return await outcome(office, run, grant)


async def killed_half_way(office: InsistentDesk, service: ServiceProcess) -> None:
    await eventually(lambda: office.commands >= HALF_WAY, within=120, what="half of the burst")
    service.kill()
    service.begin()


async def test_the_undisturbed_run_is_what_was_asked_for(undisturbed: Any) -> None:
    held, cancelled, refused = ("published", "secured", 2, 1), ("cancelled", "released", 0, 0), ("draft", "refused", 0, 0)
    assert [event[1:] for event in undisturbed["events"]] == [refused, cancelled, held] * (EVENTS // 3)
    assert undisturbed["lines"][0] == {"planned": "10000.00", "committed": "210.00", "declared": "90.00", "available": "9700.00"}
    assert len(undisturbed["deliveries"]) == 3 + 3 * (4 + 1 + 1 + 3) + 3 * (4 + 1 + 1) + 2 + MEMBERS * 2


@pytest.mark.parametrize("victim", SERVICES)
async def test_a_service_killed_in_the_middle_of_a_burst_leaves_the_rows_of_an_undisturbed_run(
    office: InsistentDesk, stack: Stack, settled: Settled, undisturbed: Any, victim: str
) -> None:
    run, parked = a_code("run"), await parked_everywhere(office)
    async with asyncio.TaskGroup() as work:
        working = work.create_task(burst(office, run))
        work.create_task(killed_half_way(office, stack[victim]))
    grant = working.result()
    await eventually(stack[victim].at_work, within=180, what=f"{victim} at work again")
    await settled()
    assert await outcome(office, run, grant) == undisturbed
    assert await parked_everywhere(office) == parked
