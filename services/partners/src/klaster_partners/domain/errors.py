"""What the partners service refuses, and the state that refuses it. The class docstrings are the texts of the problem pages."""

from datetime import date

from klaster_partners.domain.identifiers import Identifier
from klaster_partners.domain.ids import MembershipId, OrganisationId
from klaster_partners.domain.tiers import Standing, Tier
from klaster_shared.errors import Refused


class IdentifierTaken(Refused):
    """Another organisation is registered with this identifier. Use that organisation, or correct the number."""

    slug = "identifier-taken"

    def __init__(self, identifier: Identifier, holder: OrganisationId) -> None:
        super().__init__(f"Organisation {holder} already has this {identifier.scheme}.", scheme=identifier.scheme, organisation_id=str(holder))


class EmailTaken(Refused):
    """The organisation already has a contact with this e-mail address. Use that contact."""

    slug = "email-taken"

    def __init__(self, organisation: OrganisationId) -> None:
        super().__init__(f"Organisation {organisation} already has a contact with this e-mail address.", organisation_id=str(organisation))


class CodeTaken(Refused):
    """Another network is registered with this code. Use that network, or choose another code."""

    slug = "code-taken"

    def __init__(self, code: str) -> None:
        super().__init__(f"There is already a network with the code {code}.", code=code)


class AlreadyApplied(Refused):
    """The organisation already has a membership in this network. Admit or upgrade that one."""

    slug = "already-applied"

    def __init__(self, membership: MembershipId) -> None:
        super().__init__(f"Membership {membership} already joins this organisation and this network.", membership_id=str(membership))


class AlreadyAdmitted(Refused):
    """The membership has been admitted before. Upgrade it to raise its tier."""

    slug = "already-admitted"

    def __init__(self, membership: MembershipId, tier: Tier) -> None:
        super().__init__(
            f"Membership {membership} has been admitted; its tier is {tier}.", membership_id=str(membership), standing=Standing.ACTIVE, tier=tier
        )


class NotAdmitted(Refused):
    """The membership has been applied for, but not admitted. Admit it first; any tier may be the first."""

    slug = "not-admitted"

    def __init__(self, membership: MembershipId) -> None:
        super().__init__(f"Membership {membership} has not been admitted.", membership_id=str(membership), standing=Standing.APPLIED)


class NotAnUpgrade(Refused):
    """The requested tier is not above the one last decided. Tiers rise from observer over associate to full."""

    slug = "not-an-upgrade"

    def __init__(self, membership: MembershipId, current: Tier, requested: Tier) -> None:
        super().__init__(
            f"Membership {membership} is {current}; {requested} is not above that.", membership_id=str(membership), tier=current, requested=requested
        )


class EffectiveTooEarly(Refused):
    """A tier cannot hold before the day of the application, nor before the tier decided earlier. Choose the day in `not_before` or a later one."""

    slug = "effective-too-early"

    def __init__(self, membership: MembershipId, effective_on: date, not_before: date) -> None:
        super().__init__(
            f"Membership {membership} cannot change on {effective_on}, only from {not_before} on.",
            membership_id=str(membership),
            effective_on=effective_on.isoformat(),
            not_before=not_before.isoformat(),
        )
