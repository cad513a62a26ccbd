"""Messages that messages have caused: each has a cause that is there, and each cause has its effects once and in order."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from klaster_local.verifying.expectations import CAUSES, ONCE_PER_CAUSE
from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.log import Message
from klaster_local.verifying.look import Look


def effects_have_their_cause(look: Look) -> Iterator[Finding]:
    for message in _said_once(look):
        wanted = CAUSES.get(message.type or "")
        if wanted is None:
            continue
        cause = look.log.by_ce_id.get(message.causation or "")
        if cause is None or cause.type not in wanted:
            detail = f"{message.type}, {message.at}, names {message.causation} as its cause: {'no message' if cause is None else cause.type}"
            yield Finding(
                category=Category.UNEXPLAINED, check="effect-without-cause", place=message.topic, subject=f"message {message.id}", detail=detail
            )


def effects_happen_once(look: Look) -> Iterator[Finding]:
    """Of one cause: one kind of step once per key, and an answer or an expenditure once at all."""
    steps: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    answers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for message in _said_once(look):
        if message.causation is None or message.type is None or message.key is None or message.sequence is None:
            continue
        if message.causation in look.log.by_ce_id:
            steps[message.topic, message.key, message.type, message.causation].add(message.sequence)
            if kind := ONCE_PER_CAUSE.get(message.type):
                answers[message.causation, kind].add(f"{message.topic} {message.key}")
    for (topic, key, name, cause), numbers in steps.items():
        if len(numbers) > 1:
            detail = f"{name} {len(numbers)} times, as messages {sorted(numbers)}, because of message {cause}"
            yield Finding(category=Category.DUPLICATED, check="effect-twice", place=topic, subject=f"key {key}", detail=detail)
    for (cause, kind), keys in answers.items():
        if len(keys) > 1:
            place = look.log.by_ce_id[cause].topic
            yield Finding(
                category=Category.DUPLICATED, check="answer-twice", place=place, subject=f"message {cause}", detail=f"{kind}: {sorted(keys)}"
            )


def effects_follow_the_order_of_their_causes(look: Look) -> Iterator[Finding]:
    """On one key, what was caused by a later message of another key comes after what was caused by an earlier one."""
    for topic, lives in look.sequences.items():
        for key, life in lives.items():
            caused: dict[tuple[str, str], list[tuple[Message, Message]]] = defaultdict(list)
            for number in sorted(life):
                cause = look.log.by_ce_id.get(life[number].causation or "")
                if cause is not None and cause.key is not None and cause.sequence is not None:
                    caused[cause.topic, cause.key].append((life[number], cause))
            for (earlier, first), (later, second) in (pair for effects in caused.values() for pair in pairwise(effects)):
                if (first.sequence or 0) > (second.sequence or 0):
                    detail = f"{earlier.type} of message {first.sequence} was done before {later.type} of message {second.sequence}"
                    yield Finding(category=Category.REORDERED, check="effects-out-of-order", place=topic, subject=f"key {key}", detail=detail)


def _said_once(look: Look) -> Iterator[Message]:
    for lives in look.sequences.values():
        for life in lives.values():
            yield from life.values()
