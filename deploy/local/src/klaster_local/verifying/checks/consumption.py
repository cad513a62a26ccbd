"""What a consumer has passed in the log it has applied, set aside or been told to skip; once, and in order."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from klaster_local.verifying.expectations import CONSUMERS, Consumer
from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.log import Message
from klaster_local.verifying.look import Look

CLOCKS: Final = timedelta(seconds=15)
"""An inbox row carries the time at which its transaction began; one may wait for a lock for ten seconds (`lock_timeout`)."""


def passed_messages_are_accounted_for(look: Look) -> Iterator[Finding]:
    oldest = look.now - look.kept
    for consumer in CONSUMERS:
        progress = look.progress(consumer)
        for message in heard(consumer, look):
            if not progress.has_passed(message) or progress.was_reset_past(message) or message.logged_at < oldest:
                continue
            if not progress.accounts_for(message):
                detail = f"{message.type or 'unreadable'}, {message.at}: the position is behind it, and it was neither applied, parked nor skipped"
                yield Finding(
                    category=Category.LOST, check="passed-over", place=consumer.name, subject=f"message {message.id or message.at}", detail=detail
                )


def applied_messages_are_in_the_log(look: Look) -> Iterator[Finding]:
    for consumer in CONSUMERS:
        if any(look.log.is_cut(topic) for topic in consumer.hears):
            continue
        for identifier in look.progress(consumer).applied:
            if identifier not in look.log.by_id:
                yield Finding(category=Category.UNEXPLAINED, check="applied-without-message", place=consumer.name, subject=f"message {identifier}")


def messages_of_a_key_are_applied_in_order(look: Look) -> Iterator[Finding]:
    """As far as inboxes tell, which keep the times of transactions."""
    for consumer in CONSUMERS:
        progress = look.progress(consumer)
        latest: dict[tuple[str, str], tuple[datetime, Message]] = {}
        for message in heard(consumer, look):
            applied = None if message.id is None else progress.applied.get(message.id)
            if applied is None or message.key is None or look.log.by_id.get(message.id) is not message:  # type: ignore[arg-type]
                continue
            key = (message.topic, message.key)
            before = latest.get(key)
            if before is not None and applied < before[0] - CLOCKS:
                detail = f"{message.at} was applied at {applied:%H:%M:%S}, {before[1].at} at {before[0]:%H:%M:%S}"
                yield Finding(
                    category=Category.REORDERED, check="applied-out-of-order", place=consumer.name, subject=f"key {message.key}", detail=detail
                )
            if before is None or applied > before[0]:
                latest[key] = (applied, message)


def heard(consumer: Consumer, look: Look) -> Iterator[Message]:
    """The records that concern it, in the order of each partition: those of its types, and those that are no message at all."""
    for topic, types in consumer.hears.items():
        for message in look.log.records.get(topic, ()):
            if message.id is None or message.type in types:
                yield message
