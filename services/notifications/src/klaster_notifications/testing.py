"""Builders and stand-ins for suites: messages as other services send them, and the ports without a database or a mail server."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from klaster_notifications.application.ports import MailServerAway
from klaster_notifications.consumers import build_consumers
from klaster_notifications.domain.audiences import Cause, Contact
from klaster_notifications.domain.delivery import Delivery, Edition, Grounds
from klaster_notifications.domain.dispatch import ACCEPTED, Answer, Dispatch
from klaster_notifications.domain.ids import CauseId, ClaimId, DeliveryId, OrganisationId, RecipientId
from klaster_notifications.domain.letters import Letter, OutgoingMail
from klaster_notifications.domain.recipients import Locale, Recipient, RecipientKind, email_address
from klaster_notifications.domain.rules import Channel, Rule
from klaster_shared.clock import Instant
from klaster_shared.contracts.bodies import LocalisedText, Message, MoneyValue, Shortfall
from klaster_shared.contracts.budget import CommitmentRefused
from klaster_shared.contracts.envelope import Envelope
from klaster_shared.contracts.events import EventBrief, RegistrationCancelled, RegistrationConfirmed, RegistrationWithdrawn, WaitlistJoined
from klaster_shared.contracts.partners import ContactAdded, MembershipUpgraded
from klaster_shared.contracts.registry import enclose
from klaster_shared.errors import NotFound, StaleVersion
from klaster_shared.ids import new_id

NOON = datetime(2011, 9, 1, 12, tzinfo=UTC)
TITLE = LocalisedText(
    pl="Innowacyjność i współpraca w międzynarodowych sieciach kooperacji",
    en="Innovativeness and cooperation within international cooperation networks",
)
WORKSHOP = EventBrief(
    title=TITLE,
    starts_at=datetime(2011, 10, 6, 7, tzinfo=UTC),
    ends_at=datetime(2011, 10, 6, 14, tzinfo=UTC),
    time_zone="Europe/Warsaw",
    place="Kraków",
    sequence=4,
)
EVENT = UUID("0199f0a0-4c00-7a10-8000-000000000005")


def heard(message: Message, *, id: UUID | None = None, recorded_at: Instant = NOON, happened_at: Instant = NOON) -> Envelope:  # noqa: A002 - the CloudEvents name
    """The message as it arrives from the service that sends it."""
    return enclose(message, id=id or new_id(), time=happened_at, recorded_time=recorded_at, sequence=1, correlation_id="flow", causation_id="command")


async def hear(work: Any, message: Message, envelope: Envelope | None = None) -> Envelope:
    """Handles the message inside `work`, as the consumer of its topic does; the envelope it came in."""
    envelope = envelope or heard(message)
    (consumer,) = (consumer for consumer in build_consumers() if envelope.type in consumer.handlers)
    work.handling(envelope, consumer=consumer.name)
    await consumer.handlers[envelope.type](message, work)
    return envelope


def _registration(given: dict[str, Any]) -> dict[str, Any]:
    registrant = {"registration_id": new_id(), "name": "ZIN member 01", "email": "zin-member-01@example.org", "locale": "pl", "organisation_id": None}
    return registrant | {"event_id": EVENT, "event": WORKSHOP} | given


def a_confirmation(*, from_waitlist: bool = False, **given: Any) -> RegistrationConfirmed:
    return RegistrationConfirmed(**_registration(given), from_waitlist=from_waitlist)


def a_place_in_line(*, position: int = 3, **given: Any) -> WaitlistJoined:
    return WaitlistJoined(**_registration(given), position=position)


def a_withdrawal(**given: Any) -> RegistrationWithdrawn:
    return RegistrationWithdrawn(**_registration(given))


def a_cancellation(*, was: str = "confirmed", reason: str | None = "The speakers cannot come.", **given: Any) -> RegistrationCancelled:
    return RegistrationCancelled(**_registration(given), was=was, reason=reason)


def a_contact_added(**given: Any) -> ContactAdded:
    contact = {"contact_id": new_id(), "organisation_id": new_id(), "name": "Event manager 01", "email": "manager-01@example.org", "locale": "pl"}
    return ContactAdded(**contact | {"roles": ("event_manager",)} | given)


def a_refusal(*, short_by: Sequence[str] = ("650.50",), **given: Any) -> CommitmentRefused:
    """`short_by`: by how many PLN each line falls short."""
    shortfalls = tuple(
        Shortfall(line_code=f"LINE-{number}", short_by=MoneyValue.model_validate({"amount": amount, "currency": "PLN"}))
        for number, amount in enumerate(short_by, 1)
    )
    refusal = {
        "commitment_id": new_id(),
        "event_id": EVENT,
        "approval_id": new_id(),
        "grant_id": new_id(),
        "host_organisation_id": new_id(),
        "title": TITLE,
        "reason": "insufficient",
        "line_code": shortfalls[0].line_code if shortfalls else None,
        "short_by": shortfalls[0].short_by if shortfalls else None,
        "shortfalls": shortfalls,
    }
    return CommitmentRefused(**refusal | given)


def an_upgrade(**given: Any) -> MembershipUpgraded:
    upgrade = {
        "membership_id": new_id(),
        "organisation_id": new_id(),
        "network_id": new_id(),
        "applied_on": NOON.date(),
        "from_tier": "associate",
        "tier": "full",
        "effective_on": NOON.date().replace(month=12),
        "decision": "3/2011",
        "organisation_name": "Jagiellońskie Centrum Innowacji",
        "network_code": "SCANBALT",
        "network_name": "ScanBalt",
    }
    return MembershipUpgraded(**upgrade | given)


def a_recipient(address: str = "zin-member-01@example.org", *, name: str = "ZIN member 01", locale: Locale = Locale.PL) -> Recipient:
    return Recipient(id=RecipientId(new_id()), kind=RecipientKind.REGISTRANT, name=name, address=email_address(address), locale=locale)


def a_cause(message: Message | None = None, *, recorded_at: Instant = NOON) -> Cause:
    message = message or a_confirmation()
    envelope = heard(message, recorded_at=recorded_at)
    return Cause(
        id=CauseId(envelope.inbox_id),
        type=envelope.type,
        happened_at=envelope.time,
        recorded_at=recorded_at,
        particulars=message.model_dump(mode="json"),
    )


def a_letter() -> Letter:
    return Letter(template=Edition("registration_confirmed", "0123456789ab"), subject="A subject", text="A text.\n", html="<p>A text.</p>\n")


def a_delivery(recipient: Recipient | None = None, *, cause: CauseId | None = None, at: Instant = NOON) -> Delivery:
    grounds = Grounds(
        cause=cause or CauseId(new_id()),
        cause_type="pl.lifescience.events.RegistrationConfirmed.v1",
        rule="registration-confirmed",
        template=a_letter().template,
    )
    return Delivery.queued(
        DeliveryId(new_id()), grounds=grounds, recipient=recipient or a_recipient(), channel=Channel.EMAIL, subject=a_letter().subject, at=at
    )


class PlainLetters:
    """Writes the same letter whatever it is told; for tests of who is written to, not what."""

    def write(self, rule: Rule, cause: Cause, recipient: Recipient) -> Letter:  # noqa: ARG002 - the port's shape
        return replace(a_letter(), template=Edition(rule.template, "0123456789ab"))


class InMemoryDeliveries:
    """Keeps copies, so that what a test holds and what is stored never are the same object."""

    def __init__(self, facts: list[Any]) -> None:
        self._facts = facts
        self._kept: dict[DeliveryId, Delivery] = {}
        self.letters: dict[DeliveryId, Letter] = {}

    def __iter__(self) -> Iterator[Delivery]:
        return iter(deepcopy(list(self._kept.values())))

    async def add(self, delivery: Delivery, letter: Letter) -> bool:
        if any(_keys(kept) & _keys(delivery) for kept in self._kept.values()):
            return False
        self.letters[delivery.id] = letter
        await self._store(delivery)
        return True

    async def get(self, key: DeliveryId) -> Delivery:
        if key not in self._kept:
            raise NotFound("delivery", key)
        return deepcopy(self._kept[key])

    async def save(self, delivery: Delivery) -> None:
        if self._kept[delivery.id].version != delivery.version:
            raise StaleVersion("delivery", delivery.id, expected=delivery.version)
        await self._store(delivery)

    async def _store(self, delivery: Delivery) -> None:
        self._facts.extend(delivery.stored())
        self._kept[delivery.id] = deepcopy(delivery)


def _keys(delivery: Delivery) -> set[tuple[Any, ...]]:
    """What there may be only one of."""
    of_cause = (delivery.grounds.cause, delivery.grounds.template.name, delivery.channel)
    return {("recipient", delivery.recipient.id, *of_cause), ("address", delivery.recipient.address, *of_cause)}


class InMemoryDispatches:
    def __init__(self, deliveries: InMemoryDeliveries) -> None:
        self._deliveries = deliveries
        self._kept: dict[DeliveryId, Dispatch] = {}

    async def add(self, dispatch: Dispatch) -> None:
        self._kept[dispatch.delivery] = deepcopy(dispatch)

    async def lock_due(self, at: Instant, most: int) -> Sequence[DeliveryId]:
        due = sorted((kept.due_at, kept.delivery) for kept in self._kept.values() if kept.due_at is not None and kept.due_at <= at)
        return [key for _, key in due[:most]]

    async def claim(self, keys: Sequence[DeliveryId], claim: ClaimId, *, until: Instant) -> Sequence[OutgoingMail]:
        for key in keys:
            self._kept[key].claim, self._kept[key].due_at = claim, until
        return [await self._outgoing(key) for key in sorted(keys)]

    async def release(self, keys: Sequence[DeliveryId], claim: ClaimId, *, due_at: Instant) -> None:
        for key in keys:
            if self._kept[key].claim == claim:
                self._kept[key].claim, self._kept[key].due_at = None, due_at

    async def lock(self, key: DeliveryId) -> None: ...

    async def get(self, key: DeliveryId) -> Dispatch:
        if key not in self._kept:
            raise NotFound("dispatch", key)
        return deepcopy(self._kept[key])

    async def save(self, dispatch: Dispatch) -> None:
        self._kept[dispatch.delivery] = deepcopy(dispatch)

    async def _outgoing(self, key: DeliveryId) -> OutgoingMail:
        delivery = await self._deliveries.get(key)
        return OutgoingMail(
            delivery=key,
            cause=delivery.grounds.cause,
            flow="flow",
            recipient=delivery.recipient,
            letter=self._deliveries.letters[key],
            queued_at=delivery.queued_at,
        )


class InMemoryAudiences:
    def __init__(self) -> None:
        self._contacts: dict[RecipientId, Contact] = {}
        self._causes: dict[tuple[CauseId, OrganisationId], Cause] = {}
        self.held: list[OrganisationId] = []

    async def hold(self, organisation: OrganisationId) -> None:
        self.held.append(organisation)

    async def keep_contact(self, contact: Contact) -> None:
        self._contacts.setdefault(contact.recipient.id, contact)

    async def keep_cause(self, cause: Cause, organisation: OrganisationId) -> None:
        self._causes.setdefault((cause.id, organisation), cause)

    async def contacts_of(self, organisation: OrganisationId) -> Sequence[Contact]:
        kept = [contact for contact in self._contacts.values() if contact.organisation == organisation]
        return sorted(kept, key=lambda contact: (contact.recorded_at, contact.recipient.id))

    async def causes_of(self, organisation: OrganisationId) -> Sequence[Cause]:
        kept = [cause for (_, concerned), cause in self._causes.items() if concerned == organisation]
        return sorted(kept, key=lambda cause: (cause.recorded_at, cause.id))


class InMemoryWork:
    """The port `application.ports.NotificationsWork` without a database; `facts` are those of everything saved, in order."""

    def __init__(self, *, now: Instant = NOON) -> None:
        self.now = now
        self.facts: list[Any] = []
        self.letters = PlainLetters()
        self.deliveries = InMemoryDeliveries(self.facts)
        self.dispatches = InMemoryDispatches(self.deliveries)
        self.audiences = InMemoryAudiences()
        self.incoming = heard(a_confirmation())
        self.consumer = "notifications.events"

    def handling(self, envelope: Envelope, *, consumer: str) -> None:
        self.incoming = envelope
        self.consumer = consumer

    def later(self, by: timedelta) -> None:
        self.now += by


@dataclass
class FakeMailServer:
    """The port `application.ports.MailServer`: keeps what it accepts. `answers` come first, one for each mail; then everything is accepted.

    `away` is what connecting fails with; an exception among the answers is raised.
    """

    answers: list[Answer | Exception] = field(default_factory=list)
    away: str | None = None
    accepted: list[OutgoingMail] = field(default_factory=list)
    connections: int = 0
    is_open: bool = True

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["FakeMailServer"]:
        if self.away is not None:
            raise MailServerAway(self.away)
        self.connections += 1
        self.is_open = True
        yield self

    async def send(self, mail: OutgoingMail) -> Answer:
        answer = self.answers.pop(0) if self.answers else ACCEPTED
        if isinstance(answer, Exception):
            raise answer
        if answer is ACCEPTED:
            self.accepted.append(mail)
        if answer.failure == "disconnected":
            self.is_open = False
        return answer
