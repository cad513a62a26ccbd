"""The story that the verifier's own suite is told: an organisation, a grant, an event with its money and its seats, and who was written to."""

from typing import Any, Final

from tests.chaos.staging import Said, World, an_id, empty_rows, minutes

ORGANISATION, NETWORK, MEMBERSHIP = an_id("organisation"), an_id("network"), an_id("membership")
GRANT, LINE, COMMITMENT, EXPENDITURE = an_id("grant"), an_id("line"), an_id("commitment"), an_id("expenditure")
EVENT, APPROVAL = an_id("event"), an_id("approval")
SEATED, WAITING = an_id("seated"), an_id("waiting")
DELIVERIES: Final = {"upgrade notice": "upgraded", "seat notice": "seated confirmed", "list notice": "waiting joined"}
"""Each one's cause."""
RECIPIENTS: Final = {"upgrade notice": an_id("contact"), "seat notice": SEATED, "list notice": WAITING}
TEMPLATES: Final = {"upgrade notice": "membership_upgraded", "seat notice": "registration_confirmed", "list notice": "registration_waitlisted"}
HEARD: Final = {
    "budget.events": ("approved", "published"),
    "budget.accounting": ("invoice",),
    "events.budget": ("reserved",),
    "notifications.partners": ("contact added", "late contact added", "upgraded"),
    "notifications.events": ("seated confirmed", "waiting joined"),
}


def a_story() -> World:
    """Everything has been heard by everybody, and every mail has arrived."""
    world = World(rows=empty_rows(), log=[], mails=[])
    _partners(world)
    _event(world)
    _money(world)
    _notices(world)
    for consumer, names in HEARD.items():
        service = consumer.partition(".")[0]
        for number, name in enumerate(names):
            world.rows[service]["inbox"].append({"consumer": consumer, "message_id": _inbox_id(world, name), "applied_at": minutes(number)})
    return world


def a_ledger(world: World) -> list[dict[str, Any]]:
    """A line for each command that the story needs, and one for the invoice."""
    commands = [said for said in world.log if said.cause is None and said.sequence is not None]
    lines = [a_command(said.flow, said.topic.split(".")[0], answer={"id": said.key}, etag=f'"{said.sequence}"') for said in commands]
    return [*lines, a_command(an_id("invoice"), "accounting", method="PUBLISH", status=202, answer={"expect": "declared"})]


def a_command(key: str, service: str, **fields: Any) -> dict[str, Any]:
    return {"service": service, "method": "POST", "path": "/v1/things", "key": key, "status": 201, "answer": {}, "etag": None} | fields


def say(world: World, name: str, topic: str, kind: str, key: str, sequence: int | None, cause: str | None = None, **body: Any) -> None:
    """Without a cause it was a command that asked for it, in a flow of its own."""
    flow = f"command: {name}" if cause is None else next((said.flow for said in world.log if said.name == cause), "nobody's")
    world.log.append(Said(name=name, topic=topic, type=kind, key=key, sequence=sequence, cause=cause, flow=flow, body=body))


def _partners(world: World) -> None:
    topic, rows = "partners.organisation.v1", world.rows["partners"]
    say(world, "registered", topic, "OrganisationRegistered", ORGANISATION, 1)
    for number, name in enumerate(("contact", "late contact"), 2):
        fields: dict[str, Any] = {
            "contact_id": an_id(name),
            "organisation_id": ORGANISATION,
            "email": f" {name.replace(' ', '.')}@Example.org",
            "roles": ["director"],
        }
        say(world, f"{name} added", topic, "ContactAdded", ORGANISATION, number, **fields)
        rows["contact"].append({"id": an_id(name), "organisation_id": ORGANISATION})
    rows["organisation"].append({"id": ORGANISATION, "version": 3})
    say(world, "network registered", "partners.network.v1", "NetworkRegistered", NETWORK, 1)
    rows["network"].append({"id": NETWORK, "version": 1})
    for number, (name, kind) in enumerate(
        (("applied", "MembershipApplied"), ("admitted", "MembershipAdmitted"), ("upgraded", "MembershipUpgraded")), 1
    ):
        say(world, name, "partners.membership.v1", kind, MEMBERSHIP, number, organisation_id=ORGANISATION)
    rows["membership"].append({"id": MEMBERSHIP, "version": 3})


def _event(world: World) -> None:
    topic, rows = "events.event.v1", world.rows["events"]
    steps = (("drafted", "EventDrafted"), ("submitted", "EventSubmitted"), ("approved", "EventApproved"), ("published", "EventPublished"))
    for number, (name, kind) in enumerate(steps, 1):
        say(world, name, topic, kind, EVENT, number, event_id=EVENT, approval_id=APPROVAL)
    rows["event"].append({"id": EVENT, "status": "published", "capacity": 1, "version": 4})
    rows["approval"].append({"event_id": EVENT, "financing": "secured", "approval_id": APPROVAL, "deadline": None})
    for number, (registration, name, kind, status) in enumerate(
        ((SEATED, "seated confirmed", "RegistrationConfirmed", "confirmed"), (WAITING, "waiting joined", "WaitlistJoined", "waitlisted")), 1
    ):
        say(world, name, "events.registration.v1", kind, registration, 1, registration_id=registration, email=f"{number}@example.org")
        rows["registration"].append({"id": registration, "event_id": EVENT, "number": number, "status": status, "version": 1})
    rows["seats"].append({"event_id": EVENT, "capacity": 1, "confirmed": 1, "waiting": 1, "last_number": 2})


def _money(world: World) -> None:
    rows, topic = world.rows["budget"], "budget.commitment.v1"
    say(world, "grant registered", "budget.grant.v1", "GrantRegistered", GRANT, 1)
    say(world, "budget approved", "budget.grant.v1", "BudgetApproved", GRANT, 2)
    rows["grant_agreement"].append({"id": GRANT, "code": "MRPO", "version": 2})
    rows["budget_line"].append({"id": LINE, "grant_id": GRANT, "code": "workshops", "planned": "1000.00", "committed": "70.00", "declared": "40.00"})
    approval = {"event_id": EVENT, "approval_id": APPROVAL}
    say(world, "reserved", topic, "CommitmentReserved", COMMITMENT, 1, "approved", **approval, lines=[_line("100.00")])
    say(world, "confirmed", topic, "CommitmentConfirmed", COMMITMENT, 2, "published", **approval, lines=[_line("100.00")])
    world.log.append(
        Said(
            name="invoice",
            topic="inbound.accounting.v1",
            type="InvoiceBooked",
            key="FV 1",
            sequence=None,
            source="/accounting/erp",
            flow=an_id("invoice"),
        )
    )
    spent = {"grant_id": GRANT, "line_code": "workshops", "amount_in_grant_currency": {"amount": "40.00", "currency": "PLN"}}
    say(world, "declared", "budget.expenditure.v1", "ExpenditureDeclared", EXPENDITURE, 1, "invoice", **spent)
    say(world, "consumed", topic, "CommitmentConsumed", COMMITMENT, 3, "invoice", **approval, lines=[_line("30.00")])
    rows["commitment"].append({"id": COMMITMENT, "event_id": EVENT, "approval_id": APPROVAL, "grant_id": GRANT, "version": 3})
    sums = {"reserved": "100.00", "consumed": "30.00", "released": "0.00"}
    rows["commitment_line"].append({"commitment_id": COMMITMENT, "line_id": LINE, "number": 1, **sums})
    rows["expenditure"].append({"id": EXPENDITURE, "grant_id": GRANT, "line_id": LINE, "in_grant_currency": "40.00", "version": 1})


def _notices(world: World) -> None:
    rows = world.rows["notifications"]
    for name, recorded in (("contact", minutes(-60)), ("late contact", minutes(60))):
        address = f"{name.replace(' ', '.')}@example.org"
        kept = {"id": an_id(name), "organisation_id": ORGANISATION, "address": address, "roles": ["director"], "recorded_at": recorded}
        rows["contact"].append(kept)
    kind = "pl.lifescience.partners.MembershipUpgraded.v1"
    rows["cause"].append({"id": an_id("upgraded"), "organisation_id": ORGANISATION, "type": kind, "recorded_at": minutes(0)})
    addresses = {"upgrade notice": "contact@example.org", "seat notice": "1@example.org", "list notice": "2@example.org"}
    for name, cause in DELIVERIES.items():
        add_delivery(world, name, cause=cause, address=addresses[name], recipient=RECIPIENTS[name], template=TEMPLATES[name])


def add_delivery(world: World, name: str, *, cause: str, address: str, recipient: str, template: str) -> None:
    """Queued, sent and arrived."""
    rows, topic = world.rows["notifications"], "notifications.delivery.v1"
    say(world, f"{name} queued", topic, "DeliveryQueued", an_id(name), 1, cause, cause_id=an_id(cause))
    say(world, f"{name} sent", topic, "DeliverySent", an_id(name), 2, cause, cause_id=an_id(cause))
    told = {"cause_id": an_id(cause), "recipient_id": recipient, "template": template, "channel": "email", "address": address}
    rows["delivery"].append({"id": an_id(name), "status": "sent", "version": 2, **told})
    rows["dispatch"].append({"delivery_id": an_id(name), "attempts": 1, "due_at": None, "claim": None})
    world.mails.append(an_id(name))


def _line(amount: str) -> dict[str, Any]:
    return {"line_code": "workshops", "amount": {"amount": amount, "currency": "PLN"}}


def _inbox_id(world: World, name: str) -> str:
    from klaster_local.verifying.log import inbox_id

    said = world.said(name)
    return str(inbox_id(said.source, said.id))
