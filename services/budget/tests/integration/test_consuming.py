"""Messages as they come from the log, applied by the platform's chunks to a real database."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from klaster_budget.adapters.work import BudgetWork
from klaster_budget.bootstrap import Parts
from klaster_budget.consumers import build_consumers
from klaster_budget.testing import NOON, a_grant, costs
from klaster_shared.consuming.chunk import ChunkApplier, ChunkResult
from klaster_shared.consuming.parking import RawRecord
from klaster_shared.consuming.parser import read
from klaster_shared.consuming.positions import Partition, create_missing
from klaster_shared.consuming.verdicts import verdict_on
from klaster_shared.contracts import topics
from klaster_shared.contracts.bodies import CostLine, LocalisedText, Message, MoneyValue
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.events import EventApproved, EventCancelled, EventPublished, EventReturnedToDraft
from klaster_shared.contracts.inbound import InvoiceBooked
from klaster_shared.contracts.registry import enclose, type_of_model
from klaster_shared.errors import KlasterError
from klaster_shared.ids import new_id
from klaster_shared.origin import Origin

pytestmark = pytest.mark.engines

DAY = datetime(2011, 9, 12, 9, tzinfo=UTC)
TITLE = LocalisedText(pl="Warsztat", en="Workshop")


class Log:
    """One partition of a topic, applied as the runner does: in chunks, and one by one after a failure."""

    def __init__(self, parts: Parts, consumer: str, topic: str) -> None:
        (self.consumer,) = (each for each in build_consumers(frozenset({"/accounting/erp"})) if each.name == consumer)
        self.partition = Partition(topic, 0)
        self._chunks: ChunkApplier[BudgetWork] = ChunkApplier(self.consumer, parts.transactions, parts.metrics)
        self._parts = parts
        self._offsets = count()
        self._next = 0

    async def begin(self) -> None:
        async with self._parts.transactions.begin(Origin(correlation_id="", causation_id="")) as work:
            await create_missing(work.connection, self.consumer.name, {self.partition: 0}, {}, NOON)

    async def deliver(self, *envelopes: Envelope, key: str = "key") -> list[str]:
        records = [
            read(
                RawRecord(
                    partition=self.partition,
                    offset=next(self._offsets),
                    logged_at=NOON,
                    key=key.encode(),
                    headers=tuple(envelope.headers()),
                    value=envelope.data,
                ),
                self.consumer,
            )
            for envelope in envelopes
        ]
        try:
            return self._outcomes(await self._chunks.apply(records, {self.partition: self._next}))
        except KlasterError:
            return [outcome for record in records for outcome in await self._alone(record)]

    async def _alone(self, record: Any) -> list[str]:
        try:
            return self._outcomes(await self._chunks.apply([record], {self.partition: self._next}))
        except KlasterError as failure:
            return self._outcomes(await self._chunks.apply([record], {self.partition: self._next}, verdicts={0: verdict_on(failure)}))

    def _outcomes(self, result: ChunkResult) -> list[str]:
        self._next += len(result.outcomes)
        return [outcome.value for _, outcome in result.outcomes]


@pytest.fixture(autouse=True)
async def empty(parts: Parts) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE grant_agreement, commitment, rate, outbox, inbox, consumer_position, parked_message, parked_gate CASCADE")


@pytest.fixture
async def grant(parts: Parts) -> UUID:
    grant = a_grant(code="G", travel="100")
    async with parts.transactions.begin(Origin(correlation_id="", causation_id="")) as work:
        await work.grants.save(grant)
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE outbox")
    return grant.id


@pytest.fixture
async def events(parts: Parts) -> Log:
    log = Log(parts, "budget.events", topics.EVENTS_EVENT)
    await log.begin()
    return log


@pytest.fixture
async def accounting(parts: Parts) -> Log:
    log = Log(parts, "budget.accounting", topics.INBOUND_ACCOUNTING)
    await log.begin()
    return log


def told(message: Message) -> Envelope:
    return enclose(message, id=new_id(), time=DAY, recorded_time=DAY, sequence=1, correlation_id="flow")


def approved(event: UUID, grant: UUID, amount: str) -> EventApproved:
    return EventApproved(
        event_id=event,
        approval_id=new_id(),
        grant_id=grant,
        costs=tuple(
            CostLine(line_code=each.line_code, amount=MoneyValue(amount=each.amount.amount, currency="PLN")) for each in costs(travel=amount)
        ),
        deadline=DAY,
        host_organisation_id=new_id(),
        title=TITLE,
    )


def booked(amount: str | MoneyValue = "40.00", *, message_id: str = "1", source: str = "/accounting/erp", **fields: Any) -> Envelope:
    body = {
        "invoice_number": "FV/1/2011",
        "issuer": "Hotel",
        "issued_on": DAY.date(),
        "grant_code": "G",
        "line_code": "travel",
        "amount": amount if isinstance(amount, MoneyValue) else MoneyValue(amount=Decimal(amount), currency="PLN"),
    }
    return Envelope(
        id=message_id,
        source=source,
        type=type_of_model(InvoiceBooked).ce_type,
        subject=None,
        time=DAY,
        recorded_time=None,
        sequence=None,
        partition_key=None,
        correlation_id=None,
        causation_id=None,
        data_schema=None,
        data=InvoiceBooked.model_validate(body | fields).model_dump_json().encode(),
    )


async def published(parts: Parts) -> list[str]:
    async with parts.database.connect() as connection:
        return [row["type"].split(".")[-2] for row in await connection.fetch("SELECT type FROM outbox ORDER BY id")]


async def parked(parts: Parts) -> list[tuple[str, str]]:
    async with parts.database.connect() as connection:
        return [(row["reason"], row["state"]) for row in await connection.fetch("SELECT reason, state FROM parked_message ORDER BY id")]


async def test_the_life_of_an_event_is_the_life_of_its_commitment(parts: Parts, events: Log, grant: UUID) -> None:
    event = new_id()
    approval = approved(event, grant, "60")

    outcomes = await events.deliver(
        told(approval),
        told(EventPublished(event_id=event, title=TITLE, kind="workshop", starts_at=DAY, ends_at=DAY)),
        told(EventCancelled(event_id=event, title=TITLE, reason="no speaker")),
        told(EventCancelled(event_id=event, title=TITLE, reason="no speaker")),
        told(EventReturnedToDraft(event_id=event, approval_id=approval.approval_id, reason="overdue")),
    )

    assert outcomes == ["applied", "applied", "applied", "skipped", "skipped"]
    assert await published(parts) == ["CommitmentReserved", "CommitmentConfirmed", "CommitmentReleased"]


async def test_what_the_budget_says_belongs_to_the_flow_of_the_event(parts: Parts, events: Log, grant: UUID) -> None:
    await events.deliver(envelope := told(approved(new_id(), grant, "60")))

    async with parts.database.connect() as connection:
        headers = await connection.fetchval("SELECT headers FROM outbox")
    assert '["ce_correlationid","flow"]' in headers
    assert f'["ce_causationid","{envelope.id}"]' in headers


async def test_an_approval_delivered_again_or_told_again_reserves_once(parts: Parts, events: Log, grant: UUID) -> None:
    approval = approved(new_id(), grant, "60")
    envelope = told(approval)

    assert await events.deliver(envelope, envelope, told(approval)) == ["applied", "duplicate", "skipped"]
    assert await published(parts) == ["CommitmentReserved"]


async def test_approvals_in_one_chunk_see_each_other(parts: Parts, events: Log, grant: UUID) -> None:
    await events.deliver(*(told(approved(new_id(), grant, "40")) for _ in range(3)))

    assert await published(parts) == ["CommitmentReserved", "CommitmentReserved", "CommitmentRefused"]


async def test_an_invoice_consumes_what_its_event_reserved(parts: Parts, events: Log, accounting: Log, grant: UUID) -> None:
    event = new_id()
    await events.deliver(told(approved(event, grant, "60")))

    assert await accounting.deliver(booked("80.00", event_id=event)) == ["applied"]
    assert await published(parts) == ["CommitmentReserved", "CommitmentConsumed", "ExpenditureDeclared"]
    async with parts.database.connect() as connection:
        row = await connection.fetchrow("SELECT source, declared_by, from_commitments FROM expenditure")
    assert tuple(row) == ("/accounting/erp", "budget.accounting", Decimal("60.00"))


async def test_the_same_invoice_under_a_new_id_is_skipped(parts: Parts, accounting: Log, grant: UUID) -> None:
    outcomes = await accounting.deliver(booked(message_id="1"), booked(message_id="1"), booked(message_id="2"))

    assert outcomes == ["applied", "duplicate", "skipped"]
    assert await published(parts) == ["ExpenditureDeclared"]


@pytest.mark.parametrize(
    ("envelope", "reason", "state"),
    [
        pytest.param(booked("100.01"), "line-exceeded", "held", id="beyond what is available"),
        pytest.param(booked(source="/accounting/stranger"), "unknown-source", "held", id="a source that is not allowed"),
        pytest.param(booked(issued_on="2013-01-01"), "outside-grant-period", "held", id="outside the period"),
        pytest.param(booked(amount="0.00"), "invalid-input", "held", id="nothing"),
        pytest.param(booked(amount="1.001"), "invalid-input", "held", id="a third decimal place"),
        pytest.param(booked(grant_code="OTHER"), "unknown-grant", "due", id="an unknown grant"),
        pytest.param(booked(line_code="boats"), "unknown-line", "due", id="an unknown line"),
        pytest.param(booked(issuer_nip="1"), "invalid-input", "held", id="no NIP"),
    ],
)
async def test_an_invoice_that_cannot_be_declared_is_parked(
    parts: Parts, accounting: Log, grant: UUID, envelope: Envelope, reason: str, state: str
) -> None:
    assert await accounting.deliver(envelope) == ["parked"]
    assert await parked(parts) == [(reason, state)]
    assert await published(parts) == []


async def test_other_content_of_a_declared_document_is_held_as_a_conflict(parts: Parts, accounting: Log, grant: UUID) -> None:
    assert await accounting.deliver(booked("40.00"), booked("41.00", message_id="2")) == ["applied", "parked"]
    assert await parked(parts) == [("conflict", "held")]


async def test_an_invoice_without_a_rate_of_the_day_waits_for_it(parts: Parts, accounting: Log, grant: UUID) -> None:
    assert await accounting.deliver(booked(amount=MoneyValue(amount=Decimal("10.00"), currency="EUR"))) == ["parked"]
    assert await parked(parts) == [("rate-missing", "due")]
