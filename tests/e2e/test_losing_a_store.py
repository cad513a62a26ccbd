"""Replays on the running stack, and the whole store of notifications lost and made again: nobody is written to twice, and nobody is forgotten."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from klaster_shared.embedded.postgres import DatabaseSpec, PostgresAccess
from klaster_shared.testing.desk import EFFECT_SECONDS, Desk, Json, an_address
from klaster_shared.testing.mail import MailSink
from klaster_shared.testing.processes import ServiceProcess, Stack
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

type Settled = Callable[[], Awaitable[Any]]

SAME = ("recipient", "recipient_id", "channel", "locale", "subject", "status", "reason", "cause", "rule", "template", "queued_at", "settled_at")
"""What a restored delivery has in common with the one that was lost; how often sending was tried is the sender's own, and not in the log."""


async def told(desk: Desk) -> dict[str, list[Any]]:
    """All deliveries, without those that had not been settled."""
    found = await desk.items("notifications", "/v1/deliveries")
    return {each["id"]: [each[name] for name in SAME] for each in found if each["status"] != "queued"}


def lose(access: PostgresAccess, url: str) -> None:
    """The whole database, and an empty one of the same name in its place."""
    parts = urlsplit(url)
    spec = DatabaseSpec(database=parts.path.strip("/"), role=parts.username or "", password=parts.password or "")
    access.drop_database(spec)
    access.create_database(spec)


def waits_to_be_restored(service: ServiceProcess) -> bool:
    """It serves, and says why it does nothing else."""
    guards = [part for part in service.report().get("components", ()) if part["component"] == "store guard"]
    return any("restore" in (guard["trouble"] or "") for guard in guards)


def answer_of(service: ServiceProcess, *words: str, status: int = 0) -> Json:
    ended = service.tell(*words, "--json")
    assert ended.returncode == status, ended.stderr
    answer: Json = json.loads(ended.stdout)
    return answer


async def a_story(desk: Desk) -> list[str]:
    """A registrant, a manager and a member are told something; their addresses."""
    host, addresses = await desk.organisation(), [an_address(who) for who in ("registrant", "manager", "member")]
    event = await desk.published()
    await desk.register(event["id"], email=addresses[0])
    await desk.contact(host["id"], email=addresses[1])
    grant = await desk.grant(workshops="100.00")
    refused = await desk.approved(grant, costs={"workshops": "4000.00"}, host_organisation_id=host["id"])
    await desk.event_when(refused["id"], financing="refused")
    organisation = await desk.organisation()
    await desk.contact(organisation["id"], email=addresses[2])
    membership = await desk.membership(organisation["id"])
    await desk.decide(membership["id"], "admit", "associate")
    await desk.decide(membership["id"], "upgrade", "full")
    return addresses


async def test_projections_are_what_the_log_says_and_a_replay_changes_nothing(desk: Desk, stack: Stack, settled: Settled) -> None:
    await a_story(desk)
    await settled()
    before, service = await told(desk), stack["notifications"]
    assert answer_of(service, "rebuild", "--consumer", "notifications.budget", "--dry-run")["same"]
    assert not answer_of(service, "rebuild", "--consumer", "notifications.partners", "--reason", "to see")["exchanged"]
    replayed = answer_of(service, "replay", "--consumer", "notifications.events", "--from", "beginning", "--reason", "to see")
    assert (replayed["applied"], replayed["failed"], replayed["withheld"]) == (0, 0, 0)
    assert replayed["suppressed"] >= 1
    assert await told(desk) == before


async def test_a_lost_store_is_made_again_from_the_log_and_no_mail_goes_out_twice(
    desk: Desk, stack: Stack, settled: Settled, mail_sink: MailSink, postgres_server: PostgresAccess, databases: dict[str, str]
) -> None:
    service = stack["notifications"]
    addresses = await a_story(desk)
    event, missed = await desk.published(), an_address("missed")
    await settled()
    before, mails = await told(desk), {address: len(mail_sink.messages(to=address)) for address in addresses}
    assert set(mails.values()) == {1}

    service.stop()
    await desk.register(event["id"], email=missed)  # in the log, and nobody has been told
    lose(postgres_server, databases["notifications"])
    service.begin_migration()()
    service.begin()
    await eventually(lambda: waits_to_be_restored(service), within=120, what="the service to refuse to work in an empty store")
    restored = answer_of(service, "restore", "--reason", "the store was lost")
    assert (restored["missing"], restored["failures"]) == (0, [])
    service.wait()

    await eventually(lambda: len(mail_sink.messages(to=missed)) == 1, within=EFFECT_SECONDS, what="the mail that had not been sent")
    await settled()
    after = await told(desk)
    assert {key: each for key, each in after.items() if key in before} == before
    assert [each[SAME.index("recipient")] for key, each in after.items() if key not in before] == [missed]
    assert {address: len(mail_sink.messages(to=address)) for address in addresses} == mails
    assert len(mail_sink.messages(to=missed)) == 1
