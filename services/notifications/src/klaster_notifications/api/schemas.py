"""What answers look like. Addresses and subjects are shown: who asks for a delivery has to see whom it was for."""

from typing import Literal, Self
from uuid import UUID

from pydantic import Field

from klaster_notifications.application.queries import Template, TrackedDelivery
from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.recipients import Locale, RecipientKind
from klaster_notifications.domain.rules import Audience, CalendarMethod, Channel, ContactsOf, Rule
from klaster_shared.web.fields import InstantOut, Resource


class CauseOut(Resource):
    id: UUID = Field(description="The `ce_id` of the message that asked for the delivery.")
    type: str = Field(description="Its `ce_type`.")


class EditionOut(Resource):
    name: str
    version: str = Field(description="A hash of all that the template consisted of when the delivery was queued.")


class DeliveryOut(Resource):
    """`cause`, `rule` and `template` say why it exists; `reason` why it was not sent."""

    id: UUID
    recipient_id: UUID
    recipient_kind: RecipientKind
    recipient: str = Field(description="The e-mail address, trimmed and lower-cased.")
    channel: Channel
    locale: Locale
    subject: str
    status: Status
    attempts: int = Field(description="How often it was offered to the mail server.")
    last_failure: str | None = Field(description="What the last attempt met with: `smtp-` and the server's code, or a word.")
    next_attempt_at: InstantOut | None = Field(description="When it may be offered next; null when that is over.")
    reason: str | None
    cause: CauseOut
    rule: str
    template: EditionOut
    queued_at: InstantOut
    settled_at: InstantOut | None = Field(description="When it was sent, failed or was suppressed.")

    @classmethod
    def of(cls, tracked: TrackedDelivery) -> Self:
        delivery, dispatch = tracked.delivery, tracked.dispatch
        grounds = delivery.grounds
        return cls(
            id=delivery.id,
            recipient_id=delivery.recipient.id,
            recipient_kind=delivery.recipient.kind,
            recipient=delivery.recipient.address,
            channel=delivery.channel,
            locale=delivery.recipient.locale,
            subject=delivery.subject,
            status=delivery.status,
            attempts=0 if dispatch is None else dispatch.attempts,
            last_failure=None if dispatch is None else dispatch.last_failure,
            next_attempt_at=None if dispatch is None else dispatch.due_at,
            reason=delivery.reason,
            cause=CauseOut(id=grounds.cause, type=grounds.cause_type),
            rule=grounds.rule,
            template=EditionOut(name=grounds.template.name, version=grounds.template.version),
            queued_at=delivery.queued_at,
            settled_at=delivery.settled_at,
        )


class AudienceOut(Resource):
    """`registrant`: the person the message is about. `contacts`: those of the organisation in the message's field `organisation`."""

    kind: Literal["registrant", "contacts"]
    organisation: str | None
    role: str | None = Field(description="Only contacts with this role; null for all.")

    @classmethod
    def of(cls, audience: Audience) -> Self:
        if isinstance(audience, ContactsOf):
            return cls(kind="contacts", organisation=audience.organisation, role=audience.role)
        return cls(kind="registrant", organisation=None, role=None)


class RuleOut(Resource):
    """On a message of `message_type` whose fields have the values in `when`, `audience` gets `template` by `channel`."""

    name: str
    message_type: str = Field(description="A `ce_type`.")
    when: dict[str, str]
    audience: AudienceOut
    template: str
    channel: Channel
    calendar: CalendarMethod | None = Field(description="What the mail asks of the recipient's calendar; null for nothing.")

    @classmethod
    def of(cls, rule: Rule) -> Self:
        return cls(
            name=rule.name,
            message_type=rule.message_type,
            when=dict(rule.when),
            audience=AudienceOut.of(rule.audience),
            template=rule.template,
            channel=rule.channel,
            calendar=rule.calendar,
        )


class TemplateOut(Resource):
    """`sources` are the texts as they were written, by language."""

    name: str
    version: str
    channel: Channel
    locales: list[Locale]
    message_types: list[str] = Field(description="The `ce_type`s on which a rule sends it.")
    sources: dict[Locale, str]

    @classmethod
    def of(cls, template: Template, rules: tuple[Rule, ...]) -> Self:
        return cls(
            name=template.name,
            version=template.version,
            channel=template.channel,
            locales=sorted(template.sources),
            message_types=sorted({rule.message_type for rule in rules if rule.template == template.name}),
            sources=dict(template.sources),
        )
