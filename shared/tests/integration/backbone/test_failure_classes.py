"""Each way in which a message can fail, and what becomes of it: again at once, later, or held. PostgreSQL itself raises what it can."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from klaster_shared.consuming import gate_queue
from klaster_shared.consuming.office import Parked
from klaster_shared.consuming.parking import State
from klaster_shared.consuming.retrying import ATTEMPTS
from klaster_shared.consuming.runner import ALONE_ATTEMPTS
from klaster_shared.errors import NotFound, Refused, StaleVersion, Unavailable
from klaster_shared.ids import new_id
from klaster_shared.testing.backbone import Backbone, Raw, a_record, running, send
from klaster_shared.testing.waiting import eventually

pytestmark = pytest.mark.engines


def raising(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'as planned' USING ERRCODE = '{sqlstate}'; END $$"


BY_DATABASE = {
    "deadlock": (raising("40P01"), ALONE_ATTEMPTS, "error", State.DUE),
    "serialization": (raising("40001"), ALONE_ATTEMPTS, "error", State.DUE),
    "unique": (raising("23505"), ALONE_ATTEMPTS, "error", State.DUE),
    "connection": (raising("57P05"), ALONE_ATTEMPTS, "error", State.DUE),
    "unclassified": ("SELECT * FROM nowhere", 1, "error", State.DUE),
    "foreign key": (raising("23503"), 1, "database-refused", State.HELD),
    "check": (raising("23514"), 1, "database-refused", State.HELD),
    "division": ("SELECT 1 / 0", 1, "database-refused", State.HELD),
    "out of range": ("SELECT 1000000::smallint", 1, "database-refused", State.HELD),
}
BY_HANDLER: dict[str, tuple[Exception, int, str, State]] = {
    "stale": (StaleVersion("thing", 1), ALONE_ATTEMPTS, "stale-version", State.DUE),
    "away": (Unavailable("something is away"), ALONE_ATTEMPTS, "unavailable", State.DUE),
    "reset": (ConnectionResetError(), ALONE_ATTEMPTS, "error", State.DUE),
    "missing": (NotFound("grant", 1), 1, "not-found", State.DUE),
    "domain refusal": (Refused("no"), 1, "refused", State.HELD),
    "defect": (KeyError("secret"), 1, "error", State.DUE),
}


@pytest.fixture
def backbone(new_backbone: Callable[..., Backbone], new_topic: Callable[..., str]) -> Backbone:
    backbone = new_backbone(new_topic("classes"))
    backbone.ledger.statements = {name: statement for name, (statement, *_) in BY_DATABASE.items()}

    async def fail(name: str) -> None:
        if name in BY_HANDLER:
            raise BY_HANDLER[name][0]

    backbone.ledger.after = fail
    return backbone


async def parked_by_name(backbone: Backbone, networks: dict[str, UUID]) -> dict[str, Parked]:
    found = {each.key: each for each in await backbone.office.listing(limit=100)}
    return {name: found[str(network).encode()] for name, network in networks.items() if str(network).encode() in found}


async def test_what_a_handlers_failure_means_for_its_message(backbone: Backbone, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klaster_shared.consuming.runner.BACKOFF_SECONDS", (0.0, 0.0))
    expected = {name: (calls, reason, state) for name, (_, calls, reason, state) in (BY_DATABASE | BY_HANDLER).items()}
    networks = {name: new_id() for name in expected}
    async with running(backbone.consumer):  # and no unparker, which would try again meanwhile
        await send(producer, backbone.topic, *[a_record(name, network) for name, network in networks.items()], a_record("good", good := new_id()))
        await eventually(lambda: backbone.handled("applied") == 1, within=60, what="the good message behind them")
    parked = await parked_by_name(backbone, networks)
    assert {name: (each.reason, each.state) for name, each in parked.items()} == {
        name: (reason, state) for name, (_, reason, state) in expected.items()
    }
    tries = Counter(backbone.ledger.calls)
    # A chunk ends at its first failure and is then repeated one by one: that one has been tried once more.
    assert {name for name, (number, _, _) in expected.items() if tries[name] - number not in {0, 1}} == set()
    assert await backbone.lines(good) == ["good"]
    assert not any(word in str(each.error) for each in parked.values() for word in ("secret", "as planned"))


ODD: dict[str, tuple[str, Callable[[Raw], Raw]]] = {
    "no JSON": ("undecodable", lambda raw: (raw[0], b"no json", raw[2])),
    "no id": ("undecodable", lambda raw: (raw[0], raw[1], [(name, value) for name, value in raw[2] if name != "ce_id"])),
    "another schema": ("schema", lambda raw: (raw[0], b"{}", raw[2])),
    "too large": ("too-large", lambda raw: (raw[0], b" " * 300_000, raw[2])),
}


async def test_what_cannot_be_read_is_held_and_never_reaches_a_handler(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    networks = {name: new_id() for name in ODD}
    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, *[spoil(a_record(name, networks[name])) for name, (_, spoil) in ODD.items()])
        await eventually(lambda: backbone.handled("parked") == len(ODD), within=60, what="every one to be parked")
    parked = await parked_by_name(backbone, networks)
    assert {name: (each.reason, each.state) for name, each in parked.items()} == {name: (reason, State.HELD) for name, (reason, _) in ODD.items()}
    assert backbone.ledger.calls == []


async def test_a_type_nobody_knows_is_passed_over_and_a_sender_nobody_allows_is_held(backbone: Backbone, producer: AIOKafkaProducer) -> None:
    object.__setattr__(backbone.declaration, "sources", frozenset({"/klaster/partners/network"}))

    def with_header(raw: Raw, name: str, value: bytes) -> Raw:
        return raw[0], raw[1], [(each, value if each == name else kept) for each, kept in raw[2]]

    async with running(backbone.consumer):
        unknown = with_header(a_record("unknown", new_id()), "ce_type", b"pl.lifescience.partners.Unheard.v1")
        stranger = with_header(a_record("stranger", new_id()), "ce_source", b"/somebody/else")
        await send(producer, backbone.topic, unknown, stranger, a_record("good", new_id()))
        await eventually(lambda: backbone.handled("applied") == 1, within=60, what="the good message")
    (parked,) = await backbone.office.listing()
    assert (parked.reason, parked.state, backbone.handled("skipped")) == ("unknown-source", State.HELD, 1)


@pytest.mark.parametrize("name", ["defect", "deadlock", "missing"])
async def test_what_never_succeeds_is_held_after_its_last_try(
    backbone: Backbone, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("klaster_shared.consuming.runner.BACKOFF_SECONDS", (0.0, 0.0))
    monkeypatch.setattr("klaster_shared.consuming.retrying.pause_after", lambda _: timedelta(0))
    monkeypatch.setattr("klaster_shared.consuming.chunk.FIRST_RETRY", timedelta(0))
    network = new_id()

    async def is_held() -> bool:
        return any(each.state is State.HELD for each in await backbone.office.listing())

    async with running(backbone.consumer, backbone.unparker):
        await send(producer, backbone.topic, a_record(name, network), a_record("second", network, 2))
        await eventually(is_held, within=60, what="the message to be held")
        head, second = await backbone.office.listing()
        assert (head.attempts, head.next_attempt_at, second.state) == (ATTEMPTS, None, State.WAITING)
        async with backbone.database.connect() as connection:
            tomorrow = backbone.clock.now() + timedelta(days=1)
            assert await gate_queue.due(connection, backbone.declaration.name, tomorrow, 10) == []
        backbone.ledger.after, backbone.ledger.statements = None, {}
        await backbone.office.retry(head.id, actor="operator")
        await eventually(lambda: backbone.handled("applied") == 2, within=60, what="both messages")
    assert await backbone.lines(network) == [name, "second"]
