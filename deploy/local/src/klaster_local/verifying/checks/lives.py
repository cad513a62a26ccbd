"""Each version of an aggregate has its message, each message its version, and both are in one order."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from klaster_local.verifying.expectations import AGGREGATES, INBOUND, STATES, Aggregate
from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.ledger import Command
from klaster_local.verifying.log import Message
from klaster_local.verifying.look import Look


def versions_have_messages(look: Look) -> Iterator[Finding]:
    """What was committed is said, or will be: number 1 to the version, without a gap, in the log or in the outbox."""
    for kind in AGGREGATES:
        if look.log.is_cut(kind.topic):
            continue
        said = look.sequences.get(kind.topic, {})
        for row in look.before[kind.service][kind.table]:
            numbers = said.get(str(row["id"]), {})
            missing = [number for number in range(1, row["version"] + 1) if number not in numbers]
            if not missing:
                continue
            subject = f"{kind.table} {row['id']}"
            if not numbers and _is_unknown(row["id"], kind, look):
                yield Finding(category=Category.UNEXPLAINED, check="aggregate-nobody-made", place=kind.service, subject=subject)
            else:
                detail = f"version {row['version']}, no message {_listed(missing)}"
                yield Finding(category=Category.LOST, check="version-without-message", place=kind.topic, subject=subject, detail=detail)


def messages_have_versions(look: Look) -> Iterator[Finding]:
    """Nothing is said that was not committed."""
    for kind in AGGREGATES:
        versions = {str(row["id"]): row["version"] for row in look.after[kind.service][kind.table]}
        for key, said in look.sequences.get(kind.topic, {}).items():
            version, last = versions.get(key), max(said)
            if version is None:
                detail = f"{said[last].type}, {said[last].at}"
                yield Finding(
                    category=Category.UNEXPLAINED, check="message-without-aggregate", place=kind.topic, subject=f"{kind.table} {key}", detail=detail
                )
            elif last > version:
                detail = f"version {version}, message {last}: {said[last].type}, {said[last].at}"
                yield Finding(
                    category=Category.UNEXPLAINED, check="message-beyond-version", place=kind.topic, subject=f"{kind.table} {key}", detail=detail
                )


def numbers_are_used_once(look: Look) -> Iterator[Finding]:
    """The same number under two ids would be applied twice: no inbox knows that they are one."""
    for topic in look.sequences:
        if topic == INBOUND:
            continue
        ids: dict[tuple[str, int], set[UUID]] = defaultdict(set)
        for message in look.said(topic):
            if message.key is not None and message.sequence is not None and message.id is not None:
                ids[message.key, message.sequence].add(message.id)
        for (key, sequence), known in ids.items():
            if len(known) > 1:
                detail = f"message {sequence} has the ids {', '.join(sorted(map(str, known)))}"
                yield Finding(category=Category.DUPLICATED, check="number-under-two-ids", place=topic, subject=f"key {key}", detail=detail)


def first_occurrences_are_in_order(look: Look) -> Iterator[Finding]:
    """Per key. A copy may come whenever it likes; and all of a key is in one partition, or there would be no order at all."""
    for topic, records in look.log.records.items():
        if topic == INBOUND:
            continue
        reached: dict[str, Message] = {}
        complained: set[str] = set()
        for message in records:
            if message.key is None or message.sequence is None or message.key in complained:
                continue
            last = reached.get(message.key)
            if last is None or last.sequence is None:
                reached[message.key] = message
            elif message.partition != last.partition:
                complained.add(message.key)
                detail = f"{last.at} and {message.at}"
                yield Finding(category=Category.REORDERED, check="key-in-two-partitions", place=topic, subject=f"key {message.key}", detail=detail)
            elif message.sequence > last.sequence:
                reached[message.key] = message
            elif look.sequences[topic][message.key][message.sequence] is message:
                complained.add(message.key)
                detail = f"message {message.sequence}, {message.at}, comes behind message {last.sequence}, {last.at}"
                yield Finding(category=Category.REORDERED, check="first-occurrence", place=topic, subject=f"key {message.key}", detail=detail)


def states_follow_from_messages(look: Look) -> Iterator[Finding]:
    """The status of a row is what its last message says."""
    for kind in AGGREGATES:
        states = STATES.get(kind.table, {})
        for row in look.before[kind.service][kind.table] if states else ():
            life = look.life(kind.topic, row["id"], row["version"])
            if life and (wanted := states.get(life[-1].type or "")) != row["status"]:
                detail = f"the row says {row['status']}, its last message {life[-1].type}: {wanted}"
                yield Finding(
                    category=Category.UNEXPLAINED, check="status-differs", place=kind.service, subject=f"{kind.table} {row['id']}", detail=detail
                )


def _is_unknown(identifier: UUID, kind: Aggregate, look: Look) -> bool:
    """Whether nobody can have made it, as far as a ledger tells: no command answered with it, and no command of the service went unanswered."""
    if look.commands is None or not kind.by_command:
        return False
    own = [command for command in look.commands if command.service == kind.service]
    return not any(command.resource == identifier or _is_unanswered(command) for command in own)


def _is_unanswered(command: Command) -> bool:
    return command.status is None


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown if len(numbers) <= 5 else f"{shown} … ({len(numbers)} in all)"  # noqa: PLR2004 - enough to see which
