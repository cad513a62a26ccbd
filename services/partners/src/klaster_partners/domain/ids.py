"""Ids that mypy tells apart: an organisation's id cannot be passed where a network's is meant."""

from typing import NewType
from uuid import UUID

OrganisationId = NewType("OrganisationId", UUID)
ContactId = NewType("ContactId", UUID)
NetworkId = NewType("NetworkId", UUID)
MembershipId = NewType("MembershipId", UUID)
