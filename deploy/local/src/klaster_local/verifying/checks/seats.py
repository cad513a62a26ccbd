"""Seats: counted as they are taken, never more than there are, and nobody overtaken on the waiting list."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.look import Look

REGISTRATIONS: Final = "events.registration.v1"
COUNTED: Final = (("confirmed", "confirmed"), ("waiting", "waitlisted"))
"""Counter, and the status that it counts."""


def seats_are_counted_as_taken(look: Look) -> Iterator[Finding]:
    tables = look.before["events"]
    by_event = _by_event(look)
    for row in tables["seats"]:
        subject, registrations = f"event {row['event_id']}", by_event[row["event_id"]]
        for column, status in COUNTED:
            taken = sum(each["status"] == status for each in registrations)
            if row[column] != taken:
                category = Category.DUPLICATED if row[column] > taken else Category.LOST
                detail = f"{row[column]} counted, {taken} registrations"
                yield Finding(category=category, check=f"seats-{column}", place="events", subject=subject, detail=detail)
        if row["confirmed"] > row["capacity"]:
            detail = f"{row['confirmed']} of {row['capacity']} seats are taken"
            yield Finding(category=Category.DUPLICATED, check="oversold", place="events", subject=subject, detail=detail)
        if row["capacity"] != row["wanted"]:
            detail = f"{row['capacity']} seats, but the event has {row['wanted']}"
            yield Finding(category=Category.LOST, check="seats-capacity", place="events", subject=subject, detail=detail)


def nobody_is_overtaken(look: Look) -> Iterator[Finding]:
    """Who waits came after everybody who was given a seat from the list."""
    for event, registrations in _by_event(look).items():
        waiting = [each["number"] for each in registrations if each["status"] == "waitlisted"]
        for each in registrations if waiting else ():
            if each["status"] == "confirmed" and each["number"] > min(waiting) and _waited(each, look):
                detail = f"number {each['number']} has a seat from the list, number {min(waiting)} waits"
                yield Finding(category=Category.REORDERED, check="overtaken", place="events", subject=f"event {event}", detail=detail)


def _waited(registration: Mapping[str, Any], look: Look) -> bool:
    life = look.life(REGISTRATIONS, registration["id"], registration["version"])
    return bool(life) and life[0].type == "WaitlistJoined"  # type: ignore[index]  # bool() has seen that it is not None


def _by_event(look: Look) -> Mapping[Any, list[Mapping[str, Any]]]:
    found: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in look.before["events"]["registration"]:
        found[row["event_id"]].append(row)
    return found
