"""Ids that mypy tells apart: an approval's id cannot be passed where an event's is meant."""

from typing import NewType
from uuid import UUID

EventId = NewType("EventId", UUID)
ApprovalId = NewType("ApprovalId", UUID)
RegistrationId = NewType("RegistrationId", UUID)

OrganisationId = NewType("OrganisationId", UUID)
"""Given by the partners service; not checked here."""

GrantId = NewType("GrantId", UUID)
"""Given by the budget service, which refuses an unknown one when it is asked for money."""
