"""Organisations of the cluster and around it.

The one rule: an organisation and its contacts are one aggregate. They share a version, so no e-mail address can be added to
one organisation twice at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from klaster_partners.domain.contacts import Contact
from klaster_partners.domain.errors import EmailTaken
from klaster_partners.domain.facts import ContactWasAdded, OrganisationWasRegistered
from klaster_partners.domain.identifiers import Identifier
from klaster_partners.domain.ids import OrganisationId
from klaster_partners.domain.profiles import Profile
from klaster_shared.aggregates import Aggregate
from klaster_shared.clock import Instant
from klaster_shared.errors import Invalid


@dataclass(slots=True, kw_only=True)
class Organisation(Aggregate):
    id: OrganisationId
    profile: Profile
    identifiers: tuple[Identifier, ...]
    contacts: list[Contact] = field(default_factory=list)
    registered_by: str
    registered_at: Instant

    @classmethod
    def registered(cls, key: OrganisationId, profile: Profile, identifiers: Sequence[Identifier], *, by: str, at: Instant) -> Self:
        """Raises Invalid when one identifier is given twice."""
        if len(set(identifiers)) != len(identifiers):
            raise Invalid("identifiers", "the same identifier is given twice")
        organisation = cls(id=key, profile=profile, identifiers=tuple(identifiers), registered_by=by, registered_at=at)
        organisation.facts.append(OrganisationWasRegistered(organisation=key, profile=profile, at=at))
        return organisation

    def add_contact(self, contact: Contact) -> None:
        """Raises EmailTaken when the organisation already has a contact with that address."""
        if any(known.email == contact.email for known in self.contacts):
            raise EmailTaken(self.id)
        self.contacts.append(contact)
        self.facts.append(ContactWasAdded(organisation=self.id, contact=contact, at=contact.added_at))
