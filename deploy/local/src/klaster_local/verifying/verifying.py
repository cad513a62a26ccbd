"""`verify`: one look at a running or settled system, judged.

The one rule: it only reads, with its own plain clients, and shares no line with the code it judges; a test asserts its imports.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from klaster_local.verifying.checks import causes, commands, consumption, lives, money, notices, seats, waiting
from klaster_local.verifying.expectations import AGGREGATES, CONSUMERS, SERVICES, TOPICS
from klaster_local.verifying.findings import Finding, Report
from klaster_local.verifying.ledger import read_ledger
from klaster_local.verifying.log import Log, read_log
from klaster_local.verifying.look import Look
from klaster_local.verifying.mails import Mails
from klaster_local.verifying.tables import read_again, read_everything

WAITING_SECONDS: Final = 30.0
INBOX_DAYS: Final = 14.0
PREFIX: Final = "klaster."

type Check = Callable[[Look], Iterator[Finding]]
type Told = Callable[[str], None]

CHECKS: Final[tuple[Check, ...]] = (
    lives.versions_have_messages,
    lives.messages_have_versions,
    lives.numbers_are_used_once,
    lives.first_occurrences_are_in_order,
    lives.states_follow_from_messages,
    consumption.passed_messages_are_accounted_for,
    consumption.applied_messages_are_in_the_log,
    consumption.messages_of_a_key_are_applied_in_order,
    causes.effects_have_their_cause,
    causes.effects_happen_once,
    causes.effects_follow_the_order_of_their_causes,
    money.commitments_follow_from_messages,
    money.lines_follow_from_commitments,
    money.expenditures_follow_from_messages,
    money.no_money_is_kept_for_the_dead,
    seats.seats_are_counted_as_taken,
    seats.nobody_is_overtaken,
    notices.contacts_follow_from_messages,
    notices.registrants_are_told_once,
    notices.contacts_are_told_once,
    notices.deliveries_are_unique_and_have_a_cause,
    notices.queued_deliveries_will_be_sent,
    notices.mails_arrive_for_deliveries,
    waiting.outboxes_empty_themselves,
    waiting.consumers_keep_up,
    waiting.parked_messages_are_tried,
    waiting.approvals_are_answered,
    waiting.mails_are_sent,
    commands.acknowledged_commands_are_there,
    commands.acknowledged_commands_have_messages,
    commands.commands_happen_once,
    commands.invoices_are_declared,
    commands.flows_have_begun_somewhere,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look. `databases`: service → URL, `postgresql://…` or SQLAlchemy's form of it. `mails`: where mails arrive, if that can be seen."""

    databases: Mapping[str, str]
    kafka_servers: str
    mails: Mails | None = None
    prefix: str = PREFIX


async def verify(
    places: Places,
    *,
    ledger: Path | None = None,
    waiting: float = WAITING_SECONDS,
    inbox_days: float = INBOX_DAYS,
    told: Told = lambda _: None,
) -> Report:
    """`waiting`: seconds after which what waits is stuck; 0 for a system that has settled. `inbox_days`: how long inboxes keep a message:
    older ones are not asked for. `told` hears in words what is being read.

    Raises:
        CannotLook: something could not be read.
    """
    look = await _look(places, ledger, waiting, inbox_days, told)
    told("judging")
    return judge(look)


def judge(look: Look) -> Report:
    findings = tuple(finding for check in CHECKS for finding in check(look))
    return Report(findings=findings, looked_at=_looked_at(look), counts=_counts(look), notes=tuple(_notes(look)))


async def _look(places: Places, ledger: Path | None, waiting: float, inbox_days: float, told: Told) -> Look:
    commands_ = None if ledger is None else read_ledger(ledger)
    told("reading databases")
    before = {service: await read_everything(service, places.databases[service]) for service in SERVICES}
    told("reading the log")
    log = await asyncio.to_thread(
        read_log, places.kafka_servers, TOPICS, prefix=places.prefix, told=lambda number: told(f"reading the log: {number} messages")
    )
    arrived = None if places.mails is None else list(places.mails.arrived())
    told("reading databases again")
    after = {service: await read_again(service, places.databases[service]) for service in SERVICES}
    return Look(
        before=before,
        log=log,
        after=after,
        now=datetime.now(UTC),
        waiting=timedelta(seconds=waiting),
        kept=timedelta(days=inbox_days),
        prefix=places.prefix,
        commands=commands_,
        mails=arrived,
        mails_are_shared=places.mails is not None and places.mails.shared,
    )


def _looked_at(look: Look) -> dict[str, int]:
    """Topics by their messages, services by their aggregates, consumers by the messages that concern them."""
    topics = {topic: len(look.log.records.get(topic, ())) for topic in TOPICS}
    services = {name: sum(len(look.before[name][kind.table]) for kind in AGGREGATES if kind.service == name) for name in SERVICES}
    consumers = {consumer.name: sum(1 for _ in consumption.heard(consumer, look)) for consumer in CONSUMERS}
    return {**services, **topics, **consumers}


def _counts(look: Look) -> dict[str, int]:
    """What is no finding: how much was seen, and what may happen under faults without harm."""
    copies = notices.copies_of_mails(look)
    return {
        "messages": sum(len(records) for records in look.log.records.values()),
        "wire_duplicates": _wire_duplicates(look.log),
        "aggregates": sum(len(look.before[kind.service][kind.table]) for kind in AGGREGATES),
        "parked": sum(len(look.before[service]["parked_message"]) for service in SERVICES),
        "mails": len(look.mails or ()),
        "mail_copies": sum(number - 1 for number in copies.values()),
        "commands": len(look.commands or ()),
    }


def _wire_duplicates(log: Log) -> int:
    return sum(message.id is not None for message in log) - len(log.by_id)


def _notes(look: Look) -> Iterator[str]:
    for topic in TOPICS:
        if look.log.is_cut(topic):
            yield f"The beginning of {look.prefix}{topic} is gone: what is missing there is not counted as lost."
    for delivery, number in notices.copies_of_mails(look).items():
        yield f"The mail of delivery {delivery} arrived {number} times: its sender ended, or its lease ran out, between the answer and the commit."
    for service in SERVICES:
        held = sum(row["state"] == "held" for row in look.before[service]["parked_message"])
        if held:
            yield f"{held} parked messages of {service} are held until an operator decides: `klaster parked list`."
