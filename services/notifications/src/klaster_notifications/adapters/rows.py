"""How stored rows become domain values."""

import orjson

from klaster_notifications.domain.audiences import Cause, Contact
from klaster_notifications.domain.delivery import Delivery, Edition, Grounds, Status
from klaster_notifications.domain.dispatch import Dispatch
from klaster_notifications.domain.ids import CauseId, ClaimId, DeliveryId, OrganisationId, RecipientId
from klaster_notifications.domain.letters import CalendarPart, Letter, OutgoingMail
from klaster_notifications.domain.recipients import EmailAddress, Locale, Recipient, RecipientKind
from klaster_notifications.domain.rules import CalendarMethod, Channel
from klaster_shared.db.statements import Row


def contact_of(row: Row) -> Contact:
    return Contact(
        recipient=Recipient(
            id=RecipientId(row["id"]),
            kind=RecipientKind.CONTACT,
            name=row["name"],
            address=EmailAddress(row["address"]),
            locale=Locale(row["locale"]),
        ),
        organisation=OrganisationId(row["organisation_id"]),
        roles=tuple(row["roles"]),
        recorded_at=row["recorded_at"],
    )


def cause_of(row: Row) -> Cause:
    return Cause(
        id=CauseId(row["id"]),
        type=row["type"],
        happened_at=row["happened_at"],
        recorded_at=row["recorded_at"],
        particulars=orjson.loads(row["particulars"]),
    )


def delivery_of(row: Row) -> Delivery:
    return Delivery(
        id=DeliveryId(row["id"]),
        grounds=Grounds(cause=CauseId(row["cause_id"]), cause_type=row["cause_type"], rule=row["rule"], template=_edition_of(row)),
        recipient=_recipient_of(row),
        channel=Channel(row["channel"]),
        subject=row["subject"],
        queued_at=row["queued_at"],
        status=Status(row["status"]),
        settled_at=row["settled_at"],
        reason=row["reason"],
        version=row["version"],
    )


def dispatch_of(row: Row) -> Dispatch:
    return Dispatch(
        delivery=DeliveryId(row["delivery_id"]),
        attempts=row["attempts"],
        due_at=row["due_at"],
        claim=row["claim"] and ClaimId(row["claim"]),
        last_failure=row["last_failure"],
    )


def outgoing_of(row: Row) -> OutgoingMail:
    method = row["calendar_method"]
    return OutgoingMail(
        delivery=DeliveryId(row["id"]),
        cause=CauseId(row["cause_id"]),
        flow=row["flow"],
        recipient=_recipient_of(row),
        letter=Letter(
            template=_edition_of(row),
            subject=row["subject"],
            text=row["text"],
            html=row["html"],
            calendar=method and CalendarPart(method=CalendarMethod(method), text=row["calendar"]),
        ),
        queued_at=row["queued_at"],
    )


def _recipient_of(row: Row) -> Recipient:
    return Recipient(
        id=RecipientId(row["recipient_id"]),
        kind=RecipientKind(row["recipient_kind"]),
        name=row["recipient_name"],
        address=EmailAddress(row["address"]),
        locale=Locale(row["locale"]),
    )


def _edition_of(row: Row) -> Edition:
    return Edition(name=row["template"], version=row["template_version"])
