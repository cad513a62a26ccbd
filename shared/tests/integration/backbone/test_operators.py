"""What operators do to parked messages, on a real database: heads only, audited, and what comes of it when the unparker goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import UUID

import orjson
import pytest

from klaster_shared.consuming import parking
from klaster_shared.consuming.audit import acts
from klaster_shared.consuming.office import EditingOff, NotHead, Parked, ParkedRecord, ParkingOffice, Reception, Wanted, listing
from klaster_shared.consuming.parking import BEHIND, RawRecord, State, Verdict
from klaster_shared.consuming.positions import Partition
from klaster_shared.db.statements import Row
from klaster_shared.errors import Invalid, NotFound
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, a_record, an_origin, create_tables, running
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines

REFUSED = Verdict(reason="not-wanted", state=State.HELD, error="NotWanted: The ledger does not take this line.")
type Park = Callable[..., Awaitable[list[int]]]

TYPE = "pl.lifescience.partners.NetworkRegistered.v1"


@pytest.fixture
def offsets() -> Iterator[int]:
    return count()


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], unique_name: Callable[[str], str]) -> Backbone:
    """Its topic is a name only: whatever is parked has been parked before."""
    return new_backbone(unique_name("operators"))


@pytest.fixture
def park(backbone: Backbone, offsets: Iterator[int]) -> Park:
    """What parks a queue behind one gate, its head held, and gives the ids."""

    async def parked(network: UUID, *names: str, verdict: Verdict = REFUSED, into: Backbone = backbone) -> list[int]:
        for position, name in enumerate(names):
            key, value, headers = a_record(name, network)
            record = RawRecord(
                partition=Partition(into.topic, 0), offset=next(offsets), logged_at=into.clock.now(), key=key, headers=headers, value=value
            )
            await park_record(into, record, BEHIND if position else verdict)
        return [each.id for each in await into.office.listing(Wanted(key=str(network).encode()))]

    return parked


async def park_record(backbone: Backbone, record: RawRecord, verdict: Verdict) -> None:
    async with backbone.transactions.begin(an_origin()) as work:
        headers = dict(record.headers)
        await parking.park(
            work.connection,
            backbone.declaration.name,
            record,
            verdict,
            message_id=UUID((headers["ce_id"] or b"").decode()),
            type_=TYPE,
            now=work.now,
            next_attempt_at=work.now if verdict.state is State.DUE else None,
        )


async def states(backbone: Backbone) -> dict[int, State]:
    return {each.id: each.state for each in await backbone.office.listing()}


async def written(backbone: Backbone) -> list[Row]:
    """The acts, the oldest first."""
    async with backbone.database.connect() as connection:
        found = await acts(connection, consumer=None, action=None, actor=None, since=None, until=None, before=None, limit=100)
    return found[::-1]


async def all_gone(backbone: Backbone) -> bool:
    return not await backbone.office.listing()


async def exported(backbone: Backbone, wanted: Wanted | None = None) -> list[Parked]:
    return [each async for each in backbone.office.export(wanted or Wanted(), actor="operator")]


def as_line(parked: Parked) -> ParkedRecord:
    record = RawRecord(
        partition=Partition(parked.topic, parked.partition),
        offset=parked.offset,
        logged_at=parked.logged_at,
        key=parked.key,
        headers=parked.headers,
        value=parked.value,
    )
    return ParkedRecord(consumer=parked.consumer, record=record, reason=parked.reason, error=parked.error, state=parked.state)


async def test_retrying_many_touches_heads_and_counts_what_waits_behind_them(backbone: Backbone, park: Park) -> None:
    first, second = await park(new_id(), "one", "two", "three"), await park(new_id(), "four")
    other = await park(new_id(), "five", verdict=replace(REFUSED, reason="rate-missing"))
    done = await backbone.office.retry_all(Wanted(reason="not-wanted"), actor="operator", reason="mended")
    assert (list(done.ids), done.waiting, done.next) == ([first[0], second[0]], 0, None)
    assert await states(backbone) == {
        first[0]: State.DUE,
        first[1]: State.WAITING,
        first[2]: State.WAITING,
        second[0]: State.DUE,
        other[0]: State.HELD,
    }
    assert [(act["action"], act["actor"], act["reason"]) for act in await written(backbone)] == [("retry", "operator", "mended")] * 2


@pytest.mark.parametrize(
    "wanted",
    [Wanted(type="NetworkRegistered"), Wanted(type=TYPE), Wanted(reason="not-wanted"), Wanted(state=State.HELD), Wanted()],
    ids=str,
)
async def test_messages_are_found_by_what_they_are_known_by(backbone: Backbone, park: Park, wanted: Wanted) -> None:
    (head,) = await park(new_id(), "one")
    assert [each.id for each in await backbone.office.listing(wanted)] == [head]
    assert await backbone.office.listing(replace(wanted, consumer="nobody")) == []
    assert await backbone.office.listing(replace(wanted, topic="nowhere")) == []
    assert await backbone.office.listing(replace(wanted, until=(await backbone.office.show(head)).parked_at)) == []
    assert [each.id for each in await backbone.office.listing(replace(wanted, since=(await backbone.office.show(head)).parked_at))] == [head]


async def test_a_dry_run_says_the_same_and_does_nothing(backbone: Backbone, park: Park) -> None:
    one, two = await park(new_id(), "one", "two"), await park(new_id(), "three")
    before = await states(backbone)
    would = await backbone.office.skip_all(Wanted(), actor="operator", reason="agreed", dry_run=True)
    assert (list(would.ids), would.waiting) == ([one[0], two[0]], 1)
    assert (await states(backbone), await written(backbone)) == (before, [])
    done = await backbone.office.skip_all(Wanted(), actor="operator", reason="agreed")
    assert (list(done.ids), done.waiting) == (list(would.ids), would.waiting)


async def test_many_are_skipped_page_by_page_and_what_becomes_head_by_that_is_left_alone(backbone: Backbone, park: Park) -> None:
    queues = [await park(new_id(), "head", "behind") for _ in range(5)]
    after = 0
    touched: list[int] = []
    async with running(backbone.unparker):
        while True:
            page = await backbone.office.skip_all(Wanted(reason="not-wanted"), actor="operator", reason="agreed", after=after, limit=2)
            touched += page.ids
            if page.next is None:
                break
            after = page.next
        assert touched == [queue[0] for queue in queues]
        await eventually(lambda: all_gone(backbone), what="what waited to be applied")
    assert [name for _, name in await backbone.lines()] == ["behind"] * 5


async def test_a_head_that_is_parked_for_another_reason_by_now_is_not_touched(
    backbone: Backbone, park: Park, monkeypatch: pytest.MonkeyPatch
) -> None:
    (other,) = await park(new_id(), "one", verdict=replace(REFUSED, reason="rate-missing"))

    async def seen_before(*_: object, **__: object) -> list[int]:
        return [other, 4711]

    monkeypatch.setattr(listing, "heads", seen_before)
    done = await backbone.office.skip_all(Wanted(reason="not-wanted"), actor="operator", reason="agreed")
    assert list(done.ids) == []
    assert await states(backbone) == {other: State.HELD}


async def test_an_edited_message_is_applied_in_its_place_and_what_it_said_is_kept(backbone: Backbone, park: Park) -> None:
    network = new_id()
    head, _ = await park(network, "refuse", "second")
    before = await backbone.office.show(head)
    value = orjson.dumps({"network_id": str(network), "code": "X", "name": "first"})
    async with running(backbone.unparker):
        await backbone.office.edit(head, value, actor="operator", reason="agreed by telephone")
        await eventually(lambda: all_gone(backbone), what="the queue to flow")
    assert await backbone.lines(network) == ["first", "second"]
    (act,) = await written(backbone)
    assert (act["action"], act["reason"], act["message_id"]) == ("edit", "agreed by telephone", before.message_id)
    async with backbone.database.connect() as connection:
        assert await connection.fetchval("SELECT replaced_value FROM operator_act") == before.value


@pytest.mark.parametrize(
    "value",
    [b"no json", b"{}", b'{"network_id": "x", "code": "X", "name": "y"}', b'{"network_id": null, "code": "\\u0000", "name": "y"}', b'"' * 300_000],
    ids=["no JSON", "fields missing", "no UUID", "NUL", "too large"],
)
async def test_an_edit_that_its_consumer_could_not_handle_is_refused(backbone: Backbone, park: Park, value: bytes) -> None:
    (head,) = await park(new_id(), "refuse")
    before = await backbone.office.show(head)
    with pytest.raises(Invalid, match="value"):
        await backbone.office.edit(head, value, actor="operator", reason="agreed")
    assert (await backbone.office.show(head), await written(backbone)) == (before, [])


async def test_an_edit_makes_no_other_message_of_it(backbone: Backbone, offsets: Iterator[int]) -> None:
    """A structured message has its id in its value."""
    network, identifier = new_id(), new_id()
    body = {"network_id": str(network), "code": "X", "name": "refuse"}
    event = {"specversion": "1.0", "id": str(identifier), "source": "/klaster/partners/network", "type": TYPE, "time": "2026-11-23T10:00:00Z"}
    record = RawRecord(
        partition=Partition(backbone.topic, 0),
        offset=next(offsets),
        logged_at=backbone.clock.now(),
        key=str(network).encode(),
        headers=[("content-type", b"application/cloudevents+json"), ("ce_id", str(identifier).encode())],
        value=orjson.dumps(event | {"data": body}),
    )
    await park_record(backbone, record, REFUSED)
    (parked,) = await backbone.office.listing()
    with pytest.raises(Invalid, match="another message"):
        await backbone.office.edit(parked.id, orjson.dumps(event | {"id": str(new_id()), "data": body}), actor="operator", reason="agreed")
    mended = orjson.dumps(event | {"data": body | {"name": "mended"}})
    async with running(backbone.unparker):
        await backbone.office.edit(parked.id, mended, actor="operator", reason="agreed")
        await eventually(lambda: all_gone(backbone), what="the mended message to be applied")
    assert await backbone.lines(network) == ["mended"]


async def test_only_heads_are_edited_and_only_where_that_is_switched_on(backbone: Backbone, park: Park) -> None:
    head, second = await park(new_id(), "refuse", "second")
    with pytest.raises(NotHead):
        await backbone.office.edit(second, b"{}", actor="operator", reason="agreed")
    with pytest.raises(NotFound):
        await backbone.office.edit(second + 1, b"{}", actor="operator", reason="agreed")
    careful = ParkingOffice(backbone.transactions, [backbone.declaration], wake=lambda _: None)
    with pytest.raises(EditingOff):
        await careful.edit(head, b"{}", actor="operator", reason="agreed")


async def test_what_was_skipped_by_mistake_comes_back_and_has_its_effect_once(backbone: Backbone, park: Park) -> None:
    network = new_id()
    (head,) = await park(network, "only")
    lines = [as_line(each) for each in await exported(backbone)]
    await backbone.office.skip(head, actor="operator", reason="mistaken")
    async with running(backbone.unparker):
        await eventually(lambda: no_gate(backbone), what="the gate to open")
    assert await backbone.office.take_in(lines, actor="operator", reason="was a mistake", dry_run=True) == {Reception.PARKED: 1}
    assert await backbone.office.listing() == []
    assert await backbone.office.take_in(lines, actor="operator", reason="was a mistake") == {Reception.PARKED: 1}
    assert await backbone.office.take_in(lines, actor="operator", reason="was a mistake") == {Reception.ALREADY_PARKED: 1}
    (back,) = await backbone.office.listing()
    assert (back.state, back.reason, as_line(back)) == (State.HELD, "not-wanted", lines[0])
    async with running(backbone.unparker):
        await backbone.office.retry(back.id, actor="operator")
        await eventually(lambda: all_gone(backbone), what="the message to be applied")
    assert await backbone.lines(network) == ["only"]
    assert await backbone.office.take_in(lines, actor="operator", reason="once more") == {Reception.ALREADY_APPLIED: 1}
    assert [act["action"] for act in await written(backbone)] == ["export", "skip", "import", "retry"]


async def test_another_database_takes_queues_over_in_their_order(
    backbone: Backbone, park: Park, new_database: Callable[[], str], kafka_servers: str
) -> None:
    networks = [new_id(), new_id()]
    for network in networks:
        await park(network, "refuse", "second", "third")
    url = new_database()
    await create_tables(url)
    other = Backbone(url, kafka_servers, topic=backbone.topic, name=backbone.declaration.name)
    other.ledger.refusing = False
    try:
        lines = [as_line(each) for each in await exported(backbone)]
        assert await other.office.take_in(lines, actor="operator", reason="moved") == {Reception.PARKED: 6}
        assert [each.state for each in await other.office.listing()] == [State.HELD, State.WAITING, State.WAITING] * 2
        assert [each.value for each in await other.office.listing()] == [line.record.value for line in lines]
        async with running(other.unparker):
            await other.office.retry_all(Wanted(), actor="operator")
            await eventually(lambda: all_gone(other), what="both queues to flow")
        for network in networks:
            assert await other.lines(network) == ["refuse", "second", "third"]
    finally:
        await other.database.dispose()


@pytest.mark.parametrize("odd", [{"consumer": "nobody"}, {"topic": "nowhere"}])
async def test_a_line_that_belongs_to_nobody_here_keeps_the_others_out_too(backbone: Backbone, park: Park, odd: dict[str, str]) -> None:
    (head,) = await park(new_id(), "only")
    line = as_line(await backbone.office.show(head))
    await backbone.office.skip(head, actor="operator", reason="mistaken")
    strange = replace(line, consumer=odd.get("consumer", line.consumer))
    if "topic" in odd:
        strange = replace(line, record=replace(line.record, partition=Partition(odd["topic"], 0)))
    with pytest.raises(Invalid):
        await backbone.office.take_in([line, strange], actor="operator", reason="x")
    assert await backbone.office.listing() == []


async def test_a_live_message_that_fails_while_its_gate_is_closed_by_an_import_waits_behind_it(backbone: Backbone, park: Park) -> None:
    """The live consumer has seen no gate; when it comes to park, the import has made one."""
    network = new_id()
    (head,) = await park(network, "imported")
    line = as_line(await backbone.office.show(head))
    await backbone.office.skip(head, actor="operator", reason="mistaken")
    async with running(backbone.unparker):
        await eventually(lambda: no_gate(backbone), what="the gate to open")
    key, value, headers = a_record("live", network, 2)
    async with backbone.transactions.begin(an_origin()) as work:
        assert key is not None
        assert await parking.gated_keys(work.connection, backbone.declaration.name, [(backbone.topic, key)]) == set()
        await backbone.office.take_in([line], actor="operator", reason="was a mistake")
        record = RawRecord(partition=Partition(backbone.topic, 0), offset=999, logged_at=work.now, key=key, headers=headers, value=value)
        await parking.park(work.connection, backbone.declaration.name, record, REFUSED, message_id=new_id(), type_=TYPE, now=work.now)
    assert [each.state for each in await backbone.office.listing()] == [State.HELD, State.WAITING]
    async with running(backbone.unparker):
        await backbone.office.retry_all(Wanted(), actor="operator")
        await eventually(lambda: all_gone(backbone), what="both to be applied")
    assert await backbone.lines(network) == ["imported", "live"]


async def no_gate(backbone: Backbone) -> bool:
    async with backbone.database.connect() as connection:
        return not await connection.fetchval("SELECT count(*) FROM parked_gate")


async def test_two_who_do_the_same_at_once_have_done_it_once(backbone: Backbone, park: Park) -> None:
    lines = []
    for _ in range(5):
        (head,) = await park(new_id(), "only")
        lines.append(as_line(await backbone.office.show(head)))
    skipped = await asyncio.gather(*(backbone.office.skip_all(Wanted(), actor=actor, reason="agreed") for actor in ("one", "other")))
    assert sum(len(done.ids) for done in skipped) == 5
    taken = await asyncio.gather(*(backbone.office.take_in(lines, actor=actor, reason="agreed") for actor in ("one", "other")))
    assert sum(found.get(Reception.PARKED, 0) for found in taken) >= 5
    assert len(await backbone.office.listing()) == 5


async def test_acts_are_found_by_who_when_and_what(backbone: Backbone, park: Park) -> None:
    (one,), (two,) = await park(new_id(), "one"), await park(new_id(), "two")
    message = await backbone.office.show(one)
    await backbone.office.skip(one, actor="first", reason="agreed")
    await backbone.office.retry(two, actor="second")
    between = (await written(backbone))[1]["at"]

    async def found(**given: Any) -> list[str]:
        asked = dict[str, Any].fromkeys(("consumer", "action", "actor", "since", "until", "before")) | given
        async with backbone.database.connect() as connection:
            return [act["action"] for act in await acts(connection, **asked, limit=10)]

    assert await found() == ["retry", "skip"]
    assert await found(actor="first") == await found(action="skip") == await found(until=between) == ["skip"]
    assert await found(since=between) == ["retry"]
    assert await found(consumer="nobody") == []
    skip = (await written(backbone))[0]
    assert (skip["message_id"], skip["consumer"], skip["reason"]) == (message.message_id, message.consumer, "agreed")
    assert skip["subject"] == f"{backbone.topic}/0 at {message.offset}, {TYPE}, not-wanted"
