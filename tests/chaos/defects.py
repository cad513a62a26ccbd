"""Ways to break the small world: each plants one thing that the product would never let happen.

The one rule: the rest of the world stays right, so that exactly one kind of finding may come of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.chaos.staging import World, an_id, minutes
from tests.chaos.story import APPROVAL, COMMITMENT, EVENT, LINE, SEATED, WAITING, add_delivery, say

type Plant = Callable[[World], None]
type Defects = Sequence[tuple[Plant, str]]
"""With the check that finds each."""


def not_a_word(world: World) -> None:
    world.unsay("submitted")


def passed_over(world: World) -> None:
    world.forget_delivery("list notice")
    world.drop("notifications", "inbox", message_id=an_id("waiting joined"))


def applied_in_vain(world: World) -> None:
    world.forget_delivery("list notice")


def contact_gone(world: World) -> None:
    world.drop("notifications", "contact", id=an_id("late contact"))


def mail_gone(world: World) -> None:
    world.mails.remove(an_id("seat notice"))


def cause_gone(world: World) -> None:
    world.drop("notifications", "cause", id=an_id("upgraded"))


def sent_by_nobody(world: World) -> None:
    world.row("notifications", "delivery", id=an_id("seat notice")).update(status="queued", version=1)
    world.unsay("seat notice sent")


def reserved_in_vain(world: World) -> None:
    world.row("budget", "commitment_line", commitment_id=COMMITMENT)["reserved"] = "90.00"
    world.row("budget", "budget_line", id=LINE)["committed"] = "60.00"


def kept_for_the_dead(world: World) -> None:
    say(world, "cancelled", "events.event.v1", "EventCancelled", EVENT, 5, event_id=EVENT)
    world.row("events", "event", id=EVENT).update(status="cancelled", version=5)
    world.rows["budget"]["inbox"].append({"consumer": "budget.events", "message_id": an_id("cancelled"), "applied_at": minutes(9)})


def seat_uncounted(world: World) -> None:
    world.row("events", "seats", event_id=EVENT)["waiting"] = 0


def sent_again_under_a_new_id(world: World) -> None:
    say(world, "submitted once more", "events.event.v1", "EventSubmitted", EVENT, 2, event_id=EVENT)


def confirmed_twice(world: World) -> None:
    say(world, "confirmed again", "budget.commitment.v1", "CommitmentConfirmed", COMMITMENT, 4, "published", lines=[])
    world.row("budget", "commitment", id=COMMITMENT)["version"] = 4


def answered_twice(world: World) -> None:
    refused = {"event_id": EVENT, "approval_id": APPROVAL}
    say(world, "refused as well", "budget.commitment.v1", "CommitmentRefused", an_id("another"), 1, "approved", **refused)
    world.rows["budget"]["commitment"].append({"id": an_id("another"), "version": 1})
    for consumer, service in (("events.budget", "events"), ("notifications.budget", "notifications")):
        world.rows[service]["inbox"].append({"consumer": consumer, "message_id": an_id("refused as well"), "applied_at": minutes(9)})
    cause = {"id": an_id("refused as well"), "organisation_id": an_id("nobody's"), "recorded_at": minutes(0)}
    world.rows["notifications"]["cause"].append(cause)


def consumed_twice(world: World) -> None:
    world.row("budget", "commitment_line", commitment_id=COMMITMENT)["consumed"] = "60.00"
    world.row("budget", "budget_line", id=LINE)["committed"] = "40.00"


def held_twice(world: World) -> None:
    world.row("budget", "budget_line", id=LINE)["committed"] = "170.00"


def declared_twice(world: World) -> None:
    world.row("budget", "budget_line", id=LINE)["declared"] = "80.00"


def told_twice(world: World) -> None:
    add_delivery(world, "second notice", cause="seated confirmed", address="1@example.org", recipient=SEATED, template="registration_confirmed")


def seat_counted_twice(world: World) -> None:
    world.row("events", "seats", event_id=EVENT)["waiting"] = 2


def told_in_another_order(world: World) -> None:
    world.swap("drafted", "submitted")


def applied_in_another_order(world: World) -> None:
    world.row("budget", "inbox", message_id=an_id("approved"))["applied_at"] = minutes(30)


def done_in_another_order(world: World) -> None:
    world.swap("reserved", "confirmed")
    world.change("reserved", sequence=2)
    world.change("confirmed", sequence=1)


def overtaken(world: World) -> None:
    registration = an_id("overtaking")
    for number, (name, kind) in enumerate((("overtaking joined", "WaitlistJoined"), ("overtaking confirmed", "RegistrationConfirmed")), 1):
        say(world, name, "events.registration.v1", kind, registration, number, registration_id=registration)
        world.rows["notifications"]["inbox"].append({"consumer": "notifications.events", "message_id": an_id(name), "applied_at": minutes(9)})
        add_delivery(world, f"{name} notice", cause=name, address="3@example.org", recipient=registration, template=kind)
    world.rows["events"]["registration"].append({"id": registration, "event_id": EVENT, "number": 3, "status": "confirmed", "version": 2})
    world.row("events", "seats", event_id=EVENT).update(capacity=2, confirmed=2)
    world.row("events", "event", id=EVENT)["capacity"] = 2


def held_back(world: World) -> None:
    world.keep_in_outbox("events", "submitted")


def refused_by_the_broker(world: World) -> None:
    world.keep_in_outbox("events", "submitted", dead=True)


def due_and_not_moved(world: World) -> None:
    world.rows["events"]["outbox_scheduled"].append({"id": 1, "topic": "events.approval.v1", "due_at": minutes(0)})


def unread(world: World) -> None:
    world.forget_delivery("list notice")
    world.drop("notifications", "inbox", message_id=an_id("waiting joined"))
    position = {"consumer": "notifications.events", "topic": "events.registration.v1", "partition": 0, "next_offset": 1}
    world.rows["notifications"]["consumer_position"].append(position)


def a_parked_row(**fields: Any) -> dict[str, Any]:
    """Of the message that the list notice comes from; its key as JSON gives bytes to PostgreSQL."""
    key = "\\x" + WAITING.encode().hex()
    row = {"id": 1, "consumer": "notifications.events", "topic": "events.registration.v1", "partition": 0, "log_offset": 1, "gate": key}
    return row | {"message_id": an_id("waiting joined"), "state": "due", "next_attempt_at": minutes(0)} | fields


def parked(world: World, **fields: Any) -> None:
    world.forget_delivery("list notice")
    world.drop("notifications", "inbox", message_id=an_id("waiting joined"))
    row = a_parked_row(**fields)
    world.rows["notifications"]["parked_message"].append(row)
    world.rows["notifications"]["parked_gate"].append({"consumer": row["consumer"], "topic": row["topic"], "key": row["gate"]})


def never_tried(world: World) -> None:
    parked(world)


def nobody_at_the_head(world: World) -> None:
    parked(world, state="waiting", next_attempt_at=None)


def no_gate(world: World) -> None:
    parked(world, state="held", next_attempt_at=None)
    world.rows["notifications"]["parked_gate"].clear()


def never_answered(world: World) -> None:
    world.row("events", "approval", event_id=EVENT)["deadline"] = minutes(0)


def claimed_and_left(world: World) -> None:
    sent_by_nobody(world)
    world.row("notifications", "dispatch", delivery_id=an_id("seat notice")).update(due_at=minutes(0), claim=an_id("a sender"))


def phantom_message(world: World) -> None:
    say(world, "phantom", "partners.network.v1", "NetworkRegistered", an_id("nowhere"), 1)


def too_many_messages(world: World) -> None:
    say(world, "phantom", "partners.network.v1", "NetworkRegistered", an_id("network"), 2)


def effect_of_nothing(world: World) -> None:
    world.change("confirmed", cause="something that was never said")


def notice_to_nobody(world: World) -> None:
    address, recipient = "late.contact@example.org", an_id("late contact")
    add_delivery(world, "late notice", cause="upgraded", address=address, recipient=recipient, template="membership_upgraded")


def notice_of_nothing(world: World) -> None:
    add_delivery(world, "phantom notice", cause="nothing", address="9@example.org", recipient=SEATED, template="registration_confirmed")


def mail_of_nothing(world: World) -> None:
    world.mails.append(an_id("no delivery"))


def another_status(world: World) -> None:
    world.row("events", "event", id=EVENT)["status"] = "approved"


def contact_of_nobody(world: World) -> None:
    row = {"id": an_id("stranger"), "organisation_id": an_id("elsewhere"), "address": "x@example.org", "roles": [], "recorded_at": minutes(0)}
    world.rows["notifications"]["contact"].append(row)


def applied_without_message(world: World) -> None:
    world.rows["budget"]["inbox"].append({"consumer": "budget.events", "message_id": an_id("never said"), "applied_at": minutes(0)})


LOST: Final[Defects] = (
    (not_a_word, "version-without-message"),
    (passed_over, "passed-over"),
    (applied_in_vain, "delivery-missing"),
    (contact_gone, "contact-missing"),
    (cause_gone, "cause-missing"),
    (mail_gone, "mail-missing"),
    (sent_by_nobody, "delivery-nobody-sends"),
    (reserved_in_vain, "commitment-reserved"),
    (kept_for_the_dead, "money-not-released"),
    (seat_uncounted, "seats-waiting"),
)

DUPLICATED: Final[Defects] = (
    (sent_again_under_a_new_id, "number-under-two-ids"),
    (confirmed_twice, "effect-twice"),
    (answered_twice, "answer-twice"),
    (consumed_twice, "commitment-consumed"),
    (held_twice, "line-committed"),
    (declared_twice, "line-declared"),
    (told_twice, "delivery-twice"),
    (seat_counted_twice, "seats-waiting"),
)

REORDERED: Final[Defects] = (
    (told_in_another_order, "first-occurrence"),
    (applied_in_another_order, "applied-out-of-order"),
    (done_in_another_order, "effects-out-of-order"),
    (overtaken, "overtaken"),
)

STUCK: Final[Defects] = (
    (held_back, "outbox-waiting"),
    (refused_by_the_broker, "outbox-dead"),
    (due_and_not_moved, "scheduled-overdue"),
    (unread, "unread"),
    (never_tried, "parked-overdue"),
    (nobody_at_the_head, "gate-unattended"),
    (no_gate, "parked-without-gate"),
    (never_answered, "approval-overdue"),
    (claimed_and_left, "mail-claimed"),
)

UNEXPLAINED: Final[Defects] = (
    (phantom_message, "message-without-aggregate"),
    (too_many_messages, "message-beyond-version"),
    (effect_of_nothing, "effect-without-cause"),
    (notice_to_nobody, "delivery-nobody-asked-for"),
    (notice_of_nothing, "delivery-without-cause"),
    (mail_of_nothing, "mail-without-delivery"),
    (another_status, "status-differs"),
    (contact_of_nobody, "contact-nobody-added"),
    (applied_without_message, "applied-without-message"),
)
