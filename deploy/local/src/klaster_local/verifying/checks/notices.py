"""Who was to be told has one delivery; what was sent has arrived; and nobody hears of what did not happen."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from klaster_local.verifying.expectations import CONSUMERS, REGISTRATION_NEWS, SAME_MOMENT_SECONDS, TOLD_TO_CONTACTS
from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.log import Message
from klaster_local.verifying.look import Look

PLACE: Final = "notifications"
SAME_MOMENT: Final = timedelta(seconds=SAME_MOMENT_SECONDS)

type Row = Mapping[str, Any]


def contacts_follow_from_messages(look: Look) -> Iterator[Finding]:
    """The contacts that notifications keeps are those that partners has told of; of a message that was applied its contact is there."""
    kept = {row["id"]: row for row in look.before[PLACE]["contact"]}
    added = {
        UUID(message.body["contact_id"]): message
        for message in look.log.records.get("partners.organisation.v1", ())
        if message.type == "ContactAdded"
    }
    effective, edited = _effective(look), _edited(look)
    for contact, message in added.items():
        if message.id in effective - edited and contact not in kept:
            yield _finding(Category.LOST, "contact-missing", f"contact {contact}", f"{message.type}, {message.at}, was applied")
    for contact, row in kept.items():
        if contact not in added:
            yield _finding(Category.UNEXPLAINED, "contact-nobody-added", f"contact {contact}")
        elif row["address"] != str(added[contact].body["email"]).strip().lower() and added[contact].id not in edited:
            yield _finding(Category.UNEXPLAINED, "contact-differs", f"contact {contact}", "another address than in its message")


def registrants_are_told_once(look: Look) -> Iterator[Finding]:
    told = Counter((row["cause_id"], row["recipient_id"]) for row in look.before[PLACE]["delivery"])
    effective = _effective(look)
    for message in look.log.by_id.values():
        if message.type in REGISTRATION_NEWS and message.id in effective and not told[message.id, UUID(message.body["registration_id"])]:
            yield _finding(Category.LOST, "delivery-missing", f"message {message.id}", f"{message.type}, {message.at}, was applied")


def contacts_are_told_once(look: Look) -> Iterator[Finding]:
    """The join of causes and contacts, done once more: an address in the audience has a delivery, nobody else has."""
    tables, effective = look.before[PLACE], _effective(look)
    contacts: dict[UUID, list[Row]] = defaultdict(list)
    for row in tables["contact"]:
        contacts[row["organisation_id"]].append(row)
    told: dict[UUID, set[str]] = defaultdict(set)
    for row in tables["delivery"]:
        told[row["cause_id"]].add(row["address"])
    causes: dict[UUID, list[Row]] = defaultdict(list)
    for row in tables["cause"]:
        causes[row["id"]].append(row)
    for message in look.log.by_id.values():
        if message.id is None or message.type not in TOLD_TO_CONTACTS or message.id not in effective:
            continue
        if message.id not in causes:
            yield _finding(Category.LOST, "cause-missing", f"message {message.id}", f"{message.type}, {message.at}, was applied")
            continue
        audience = {each["address"] for cause in causes[message.id] for each in contacts[cause["organisation_id"]] if _hears_of(each, cause, message)}
        for address in audience - told[message.id]:
            yield _finding(
                Category.LOST, "delivery-missing", f"message {message.id}", f"{message.type}, {message.at}: contact {_of(address, tables)}"
            )
        for address in told[message.id] - audience:
            yield _finding(
                Category.UNEXPLAINED, "delivery-nobody-asked-for", f"message {message.id}", f"contact {_of(address, tables)} is no audience"
            )


def deliveries_are_unique_and_have_a_cause(look: Look) -> Iterator[Finding]:
    by_recipient: Counter[tuple[Any, ...]] = Counter()
    by_address: Counter[tuple[Any, ...]] = Counter()
    for row in look.before[PLACE]["delivery"]:
        notice = (row["cause_id"], row["template"], row["channel"])
        by_recipient[*notice, row["recipient_id"]] += 1
        by_address[*notice, row["address"]] += 1
        if row["cause_id"] not in look.log.by_id:
            yield _finding(Category.UNEXPLAINED, "delivery-without-cause", f"delivery {row['id']}", f"cause {row['cause_id']}")
    twice = {key[:3] for counted in (by_recipient, by_address) for key, number in counted.items() if number > 1}
    for cause, template, channel in sorted(twice, key=str):
        yield _finding(Category.DUPLICATED, "delivery-twice", f"message {cause}", f"{template} by {channel} more than once to somebody")


def queued_deliveries_will_be_sent(look: Look) -> Iterator[Finding]:
    to_do = {row["delivery_id"] for row in look.before[PLACE]["dispatch"] if row["due_at"] is not None}
    for row in look.before[PLACE]["delivery"]:
        if row["status"] == "queued" and row["id"] not in to_do:
            yield _finding(Category.LOST, "delivery-nobody-sends", f"delivery {row['id']}", "queued, and no sender will look at it")


def mails_arrive_for_deliveries(look: Look) -> Iterator[Finding]:
    """What was sent is there, and what is there was asked for. How many copies there are is a count: see the window in the guarantees."""
    if look.mails is None:
        return
    arrived = {mail.delivery for mail in look.mails}
    for row in look.before[PLACE]["delivery"]:
        if row["status"] == "sent" and row["id"] not in arrived:
            yield _finding(Category.LOST, "mail-missing", f"delivery {row['id']}", "sent, and no mail has its Message-ID")
    known = {row["id"] for row in look.after[PLACE]["delivery"]}
    addresses = {row["address"].lower() for row in look.after[PLACE]["delivery"]}
    for mail in look.mails:
        if mail.delivery not in known and (not look.mails_are_shared or mail.recipients & addresses):
            yield _finding(Category.UNEXPLAINED, "mail-without-delivery", f"Message-ID of {mail.delivery or 'no delivery'}")


def copies_of_mails(look: Look) -> Mapping[UUID, int]:
    """Deliveries whose mail arrived more than once, and how often."""
    own = {row["id"] for row in look.after[PLACE]["delivery"]}
    counted = Counter(mail.delivery for mail in look.mails or () if mail.delivery in own)
    return {delivery: number for delivery, number in counted.items() if number > 1 and delivery is not None}


def _effective(look: Look) -> set[UUID]:
    """What was applied and not skipped."""
    return {identifier for each in CONSUMERS if each.service == PLACE for identifier in look.progress(each).effective}


def _edited(look: Look) -> set[UUID]:
    return {identifier for each in CONSUMERS if each.service == PLACE for identifier in look.progress(each).edited_ids}


def _hears_of(contact: Row, cause: Row, message: Message) -> bool:
    role = TOLD_TO_CONTACTS[message.type or ""]
    return contact["recorded_at"] <= cause["recorded_at"] + SAME_MOMENT and (role is None or role in contact["roles"])


def _of(address: str, tables: Mapping[str, Any]) -> str:
    """Ids, never the address: reports are kept and passed on."""
    return ", ".join(sorted(str(row["id"]) for row in tables["contact"] if row["address"] == address)) or "that nobody knows"


def _finding(category: Category, check: str, subject: str, detail: str = "") -> Finding:
    return Finding(category=category, check=check, place=PLACE, subject=subject, detail=detail)
