"""Ids that mypy tells apart: a recipient's id cannot be passed where a delivery's is meant."""

from typing import NewType
from uuid import UUID

DeliveryId = NewType("DeliveryId", UUID)
CauseId = NewType("CauseId", UUID)
"""The `ce_id` of the message that asked for a delivery."""
RecipientId = NewType("RecipientId", UUID)
"""A contact's id, or that of a registration."""
OrganisationId = NewType("OrganisationId", UUID)
ClaimId = NewType("ClaimId", UUID)
"""One sender's hold on a batch of mails."""
