"""Who is told what, and when: the one table of it, read by the consumers, by `GET /v1/rules` and by people.

The one rule: a notice exists because a row here says so. A handler knows how to find an audience, never whether to write to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from klaster_notifications.domain.ids import OrganisationId

EVENT_MANAGER: Final = "event_manager"
"""The role of contacts who look after an organisation's events."""


class Channel(StrEnum):
    EMAIL = "email"


class CalendarMethod(StrEnum):
    """What the calendar part of a mail asks of the recipient's calendar (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Registrant:
    """The person whose registration the message is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsOf:
    """The contacts of the organisation in the field `organisation` of the message; with `role`, only those who have it."""

    organisation: str
    role: str | None = None

    def organisation_in(self, particulars: Mapping[str, Any]) -> OrganisationId:
        return OrganisationId(UUID(particulars[self.organisation]))

    def includes(self, roles: tuple[str, ...]) -> bool:
        return self.role is None or self.role in roles


type Audience = Registrant | ContactsOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """On a message of `message_type` (a `ce_type`) whose fields have the values in `when`, `audience` gets `template` by `channel`.

    `calendar`: the mail also puts the event into the recipient's calendar, or takes it out.
    """

    name: str
    message_type: str
    audience: Audience
    template: str
    when: Mapping[str, str] = field(default_factory=dict)
    channel: Channel = Channel.EMAIL
    calendar: CalendarMethod | None = None

    def applies_to(self, message_type: str, particulars: Mapping[str, Any]) -> bool:
        return message_type == self.message_type and all(particulars.get(name) == value for name, value in self.when.items())


RULES: Final = (
    Rule(
        name="registration-confirmed",
        message_type="pl.lifescience.events.RegistrationConfirmed.v1",
        audience=Registrant(),
        template="registration_confirmed",
        calendar=CalendarMethod.REQUEST,
    ),
    Rule(
        name="registration-waitlisted",
        message_type="pl.lifescience.events.WaitlistJoined.v1",
        audience=Registrant(),
        template="registration_waitlisted",
    ),
    Rule(
        name="registration-withdrawn",
        message_type="pl.lifescience.events.RegistrationWithdrawn.v1",
        audience=Registrant(),
        template="registration_withdrawn",
    ),
    Rule(
        name="registration-cancelled-confirmed",
        message_type="pl.lifescience.events.RegistrationCancelled.v1",
        when={"was": "confirmed"},
        audience=Registrant(),
        template="registration_cancelled",
        calendar=CalendarMethod.CANCEL,
    ),
    Rule(
        name="registration-cancelled-waitlisted",
        message_type="pl.lifescience.events.RegistrationCancelled.v1",
        when={"was": "waitlisted"},
        audience=Registrant(),
        template="registration_cancelled",
    ),
    Rule(
        name="commitment-refused",
        message_type="pl.lifescience.budget.CommitmentRefused.v1",
        audience=ContactsOf(organisation="host_organisation_id", role=EVENT_MANAGER),
        template="commitment_refused",
    ),
    Rule(
        name="membership-upgraded",
        message_type="pl.lifescience.partners.MembershipUpgraded.v1",
        audience=ContactsOf(organisation="organisation_id"),
        template="membership_upgraded",
    ),
)


def rules_for(message_type: str, particulars: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules that a message with these fields sets off."""
    return tuple(rule for rule in RULES if rule.applies_to(message_type, particulars))
