"""What goes on by itself, and has not.

The one rule: both snapshots must say so. What was waiting in the first one and is gone in the second was only on its way.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from klaster_local.verifying.checks.consumption import heard
from klaster_local.verifying.expectations import CONSUMERS, SERVICES
from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.look import Look

type Row = Mapping[str, Any]


def outboxes_empty_themselves(look: Look) -> Iterator[Finding]:
    limit = look.now - look.waiting
    for service in SERVICES:
        left = {row["id"]: row for row in look.after[service]["outbox"]}
        blocked = {(row["topic"], row["key"]) for row in left.values() if row["dead"]}
        for row in look.before[service]["outbox"]:
            if row["id"] not in left:
                continue
            subject = f"outbox row {row['id']} to {row['topic']}"
            if row["dead"]:
                yield _stuck("outbox-dead", service, subject, "the broker refuses it; `klaster outbox` shows it")
            elif row["recorded_at"] < limit:
                behind = " behind a dead one" if (row["topic"], row["key"]) in blocked else ""
                yield _stuck("outbox-waiting", service, subject, f"since {row['recorded_at']:%Y-%m-%d %H:%M:%S}{behind}")
        scheduled = {row["id"] for row in look.after[service]["outbox_scheduled"]}
        for row in look.before[service]["outbox_scheduled"]:
            if row["id"] in scheduled and row["due_at"] < limit:
                yield _stuck(
                    "scheduled-overdue", service, f"scheduled message {row['id']} to {row['topic']}", f"due {row['due_at']:%Y-%m-%d %H:%M:%S}"
                )


def consumers_keep_up(look: Look) -> Iterator[Finding]:
    """Per partition: the oldest message it has not come to."""
    limit = look.now - look.waiting
    for consumer in CONSUMERS:
        now = {
            (row["topic"].removeprefix(look.prefix), row["partition"]): row["next_offset"]
            for row in look.after[consumer.service]["consumer_position"]
            if row["consumer"] == consumer.name
        }
        behind: dict[tuple[str, int], list[Any]] = {}
        for message in heard(consumer, look):
            if message.offset >= now.get((message.topic, message.partition), 0):
                behind.setdefault((message.topic, message.partition), []).append(message)
        for (topic, partition), messages in behind.items():
            if messages[0].logged_at < limit:
                detail = f"{len(messages)} messages from offset {messages[0].offset} on, the oldest of {messages[0].logged_at:%Y-%m-%d %H:%M:%S}"
                yield _stuck("unread", consumer.name, f"{topic}/{partition}", detail)


def parked_messages_are_tried(look: Look) -> Iterator[Finding]:
    """A due one at its time; and a gate has somebody at its head, as whoever waits has a gate."""
    limit = look.now - look.waiting
    for service in SERVICES:
        after = {row["id"]: row for row in look.after[service]["parked_message"]}
        gates = [_gates(look.before[service]), _gates(look.after[service])]
        heads = [{_gate(row) for row in tables[service]["parked_message"] if row["state"] != "waiting"} for tables in (look.before, look.after)]
        for row in look.before[service]["parked_message"]:
            if row["id"] not in after:
                continue
            subject = f"parked message {row['id']}"
            if row["state"] == "due" and row["next_attempt_at"] < limit and after[row["id"]]["next_attempt_at"] == row["next_attempt_at"]:
                yield _stuck("parked-overdue", row["consumer"], subject, f"due {row['next_attempt_at']:%Y-%m-%d %H:%M:%S}")
            if row["gate"] is not None and not any(_gate(row) in each for each in gates):
                yield _stuck("parked-without-gate", row["consumer"], subject, "later messages of its key pass it by")
        for gate in gates[0] & gates[1]:
            if not any(gate in each for each in heads):
                yield _stuck(
                    "gate-unattended", gate[0], f"gate of key {gate[2].decode(errors='backslashreplace')} in {gate[1]}", "nobody is at its head"
                )


def approvals_are_answered(look: Look) -> Iterator[Finding]:
    """Within their deadline; after it they fall due."""
    open_ = {row["event_id"]: row for row in look.after["events"]["approval"] if row["deadline"] is not None}
    for row in look.before["events"]["approval"]:
        same = open_.get(row["event_id"])
        if (
            same is not None
            and same["approval_id"] == row["approval_id"]
            and row["deadline"] is not None
            and row["deadline"] < look.now - look.waiting
        ):
            yield _stuck("approval-overdue", "events", f"event {row['event_id']}", f"its deadline was {row['deadline']:%Y-%m-%d %H:%M:%S}")


def mails_are_sent(look: Look) -> Iterator[Finding]:
    """`due_at` of a claimed one is when its lease ends."""
    after = {row["delivery_id"]: row for row in look.after["notifications"]["dispatch"]}
    for row in look.before["notifications"]["dispatch"]:
        same = after.get(row["delivery_id"])
        if row["due_at"] is None or same is None or same["due_at"] != row["due_at"] or row["due_at"] >= look.now - look.waiting:
            continue
        check = "mail-unsent" if row["claim"] is None else "mail-claimed"
        yield _stuck(check, "notifications", f"delivery {row['delivery_id']}", f"due {row['due_at']:%Y-%m-%d %H:%M:%S}")


def _gate(row: Row) -> tuple[str, str, bytes]:
    return row["consumer"], row["topic"], row["gate"]


def _gates(tables: Mapping[str, Any]) -> set[tuple[str, str, bytes]]:
    return {(row["consumer"], row["topic"], row["key"]) for row in tables["parked_gate"]}


def _stuck(check: str, place: str, subject: str, detail: str) -> Finding:
    return Finding(category=Category.STUCK, check=check, place=place, subject=subject, detail=detail)
