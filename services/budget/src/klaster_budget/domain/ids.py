"""Ids that mypy tells apart: an event's id cannot be passed where an approval's is meant."""

from typing import NewType
from uuid import UUID

GrantId = NewType("GrantId", UUID)
LineId = NewType("LineId", UUID)
CommitmentId = NewType("CommitmentId", UUID)
ExpenditureId = NewType("ExpenditureId", UUID)
RateId = NewType("RateId", UUID)

EventId = NewType("EventId", UUID)
ApprovalId = NewType("ApprovalId", UUID)
OrganisationId = NewType("OrganisationId", UUID)

GrantCode = NewType("GrantCode", str)
"""How people and the accounting system cite a grant."""
