"""The verifier is shown a world in which one thing is wrong, and finds that, and nothing else."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from klaster_local.verifying import CannotLook, MailFolder, Places, Report, verify
from tests.chaos import defects
from tests.chaos.staging import Stage, World, an_id
from tests.chaos.story import EVENT, a_command, a_ledger, a_story, say

pytestmark = pytest.mark.engines

type Judged = Callable[..., Awaitable[Report]]


@pytest.fixture(scope="module")
async def stage(database_url: str, kafka_servers: str, unique_name: Callable[[str], str]) -> Stage:
    stage = Stage(database_url, kafka_servers, lambda: f"{unique_name('verified')}.")
    await stage.build()
    return stage


@pytest.fixture
def judged(stage: Stage, tmp_path: Path) -> Judged:
    """The report on a world; `lines` are those of a ledger."""

    async def look(world: World, lines: list[dict[str, Any]] | None = None, **options: Any) -> Report:
        prefix = await stage.show(world)
        for number, delivery in enumerate(world.mails):
            (tmp_path / f"{number:06}.eml").write_text(f"To: somebody@example.org\nMessage-ID: <{delivery}@example.org>\n\nDear reader\n")
        ledger = None
        if lines is not None:
            ledger = tmp_path / "ledger.jsonl"
            ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
        places = Places(databases=stage.databases, kafka_servers=stage.servers, mails=MailFolder(tmp_path), prefix=prefix)
        return await verify(places, ledger=ledger, **options)

    return look


def found(report: Report) -> list[tuple[str, str]]:
    return [(finding.category.value, finding.check) for finding in report.findings]


async def test_a_world_in_which_everything_is_right_is_clean(judged: Judged) -> None:
    world = a_story()
    report = await judged(world, a_ledger(world))
    assert found(report) == []
    assert report.counts == {"messages": 26, "wire_duplicates": 0, "aggregates": 12, "parked": 0, "mails": 3, "mail_copies": 0, "commands": 16}


@pytest.mark.parametrize(("plant", "check"), defects.LOST)
async def test_what_is_lost_is_found(judged: Judged, plant: defects.Plant, check: str) -> None:
    world = a_story()
    plant(world)
    assert found(await judged(world)) == [("lost", check)]


@pytest.mark.parametrize(("plant", "check"), defects.DUPLICATED)
async def test_what_has_its_effect_twice_is_found(judged: Judged, plant: defects.Plant, check: str) -> None:
    world = a_story()
    plant(world)
    assert found(await judged(world)) == [("duplicated", check)]


@pytest.mark.parametrize(("plant", "check"), defects.REORDERED)
async def test_what_is_out_of_order_is_found(judged: Judged, plant: defects.Plant, check: str) -> None:
    world = a_story()
    plant(world)
    assert found(await judged(world)) == [("reordered", check)]


@pytest.mark.parametrize(("plant", "check"), defects.STUCK)
async def test_what_does_not_go_on_is_found(judged: Judged, plant: defects.Plant, check: str) -> None:
    world = a_story()
    plant(world)
    assert found(await judged(world, waiting=0.0)) == [("stuck", check)]


@pytest.mark.parametrize(("plant", "check"), defects.UNEXPLAINED)
async def test_what_nobody_has_caused_is_found(judged: Judged, plant: defects.Plant, check: str) -> None:
    world = a_story()
    plant(world)
    assert found(await judged(world)) == [("unexplained", check)]


async def test_an_acknowledged_command_without_its_resource_is_found(judged: Judged) -> None:
    world = a_story()
    lines = [*a_ledger(world), a_command("command: registered", "partners", answer={"id": an_id("gone")})]
    assert found(await judged(world, lines)) == [("lost", "acknowledged-missing"), ("duplicated", "key-answered-twice")]


async def test_an_acknowledged_command_that_was_undone_is_found(judged: Judged) -> None:
    world = a_story()
    lines = [*a_ledger(world), a_command("command: published", "events", status=200, answer={"id": EVENT}, etag='"5"')]
    assert found(await judged(world, lines)) == [("lost", "acknowledged-undone")]


async def test_an_acknowledged_command_that_nobody_speaks_of_is_found(judged: Judged) -> None:
    world = a_story()
    assert found(await judged(world, [*a_ledger(world), a_command("silent", "partners")])) == [("lost", "acknowledged-without-message")]


async def test_a_rate_needs_no_message(judged: Judged) -> None:
    world = a_story()
    assert found(await judged(world, [*a_ledger(world), a_command("silent", "budget", path="/v1/rates")])) == []


async def test_an_acknowledged_record_that_is_not_in_the_log_is_found(judged: Judged) -> None:
    world = a_story()
    lines = [*a_ledger(world), a_command(an_id("gone"), "accounting", method="PUBLISH", status=202, answer={"expect": "parked"})]
    assert found(await judged(world, lines)) == [("lost", "published-missing")]


async def test_an_invoice_that_was_not_declared_is_found(judged: Judged) -> None:
    world = a_story()
    world.change("declared", cause="approved")
    assert found(await judged(world, a_ledger(world))) == [("lost", "invoice-not-declared")]


async def test_a_command_that_nobody_answered_asks_for_nothing(judged: Judged) -> None:
    world = a_story()
    assert found(await judged(world, [*a_ledger(world), a_command("unanswered", "partners", status=None)])) == []


async def test_a_command_done_twice_is_found(judged: Judged) -> None:
    world = a_story()
    say(world, "another network", "partners.network.v1", "NetworkRegistered", an_id("another network"), 1)
    world.change("another network", flow="command: network registered")
    world.rows["partners"]["network"].append({"id": an_id("another network"), "version": 1})
    assert found(await judged(world, a_ledger(a_story()))) == [("duplicated", "command-twice")]


async def test_a_refused_command_with_an_effect_is_found(judged: Judged) -> None:
    world = a_story()
    lines = [line | {"status": 409, "answer": {}} if line["key"] == "command: submitted" else line for line in a_ledger(world)]
    assert found(await judged(world, lines)) == [("unexplained", "refused-with-effect")]


async def test_a_flow_that_nobody_began_is_found(judged: Judged) -> None:
    world = a_story()
    lines = [line for line in a_ledger(world) if line["key"] != "command: submitted"]
    assert found(await judged(world, lines)) == [("unexplained", "flow-nobody-began")]


async def test_an_aggregate_that_nobody_made_is_found(judged: Judged) -> None:
    world = a_story()
    world.rows["partners"]["network"].append({"id": an_id("phantom"), "version": 1})
    assert found(await judged(world, a_ledger(world))) == [("unexplained", "aggregate-nobody-made")]


async def test_a_copy_on_the_wire_is_counted_and_is_no_finding(judged: Judged) -> None:
    world = a_story()
    world.log.append(world.said("approved"))
    report = await judged(world)
    assert (found(report), report.counts["wire_duplicates"]) == ([], 1)


async def test_a_second_copy_of_a_mail_is_listed_and_is_no_finding(judged: Judged) -> None:
    world = a_story()
    world.mails.append(an_id("seat notice"))
    report = await judged(world)
    assert (found(report), report.counts["mail_copies"], len(report.notes)) == ([], 1, 1)


async def test_a_message_that_an_operator_skipped_is_no_loss(judged: Judged) -> None:
    world = a_story()
    defects.passed_over(world)
    act = {"consumer": "notifications.events", "action": "skip", "subject": "events.registration.v1/0 at 1, WaitlistJoined, schema"}
    world.rows["notifications"]["operator_act"].append(act)
    assert found(await judged(world)) == []


@pytest.mark.parametrize("action", ["skip", "edit"])
async def test_what_an_operator_skipped_or_edited_need_not_have_its_effect(judged: Judged, action: str) -> None:
    world = a_story()
    defects.contact_gone(world)
    message = an_id("late contact added")
    at = world.row("notifications", "inbox", message_id=message)["applied_at"]
    act = {"at": at, "consumer": "notifications.partners", "action": action, "subject": "by the office", "message_id": message}
    world.rows["notifications"]["operator_act"].append(act)
    assert found(await judged(world)) == []


async def test_a_message_that_is_held_is_a_note(judged: Judged) -> None:
    world = a_story()
    defects.parked(world, state="held", next_attempt_at=None)
    report = await judged(world, waiting=0.0)
    assert (found(report), report.counts["parked"], len(report.notes)) == ([], 1, 1)


async def test_what_inboxes_have_forgotten_is_not_asked_for(judged: Judged) -> None:
    world = a_story()
    for service in ("budget", "events", "notifications"):
        world.rows[service]["inbox"].clear()
    assert "passed-over" not in {check for _, check in found(await judged(world, inbox_days=0.0))}


async def test_a_database_without_the_tables_cannot_be_judged(stage: Stage) -> None:
    databases = stage.databases | {"budget": stage.databases["partners"]}
    with pytest.raises(CannotLook, match="The database of budget has not all tables"):
        await verify(Places(databases=databases, kafka_servers=stage.servers))


async def test_a_broker_without_the_topics_cannot_be_judged(stage: Stage) -> None:
    with pytest.raises(CannotLook, match="has no topic"):
        await verify(Places(databases=stage.databases, kafka_servers=stage.servers, prefix="nobody's."))
