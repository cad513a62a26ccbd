"""Which rows each consumer builds from the log alone. Deliveries are not among them: that somebody was written to is a record."""

from klaster_notifications.adapters.tables import CAUSE, CONTACT
from klaster_shared.consuming.projections import Share
from klaster_shared.contracts.budget import CommitmentRefused
from klaster_shared.contracts.partners import MembershipUpgraded
from klaster_shared.contracts.registry import type_of_model

_UPGRADE, _REFUSAL = type_of_model(MembershipUpgraded).ce_type, type_of_model(CommitmentRefused).ce_type

SHARES = {
    "notifications.partners": (Share(CONTACT), Share(CAUSE, rows=lambda cause: cause.c.type == _UPGRADE)),
    "notifications.budget": (Share(CAUSE, rows=lambda cause: cause.c.type == _REFUSAL),),
}
"""By consumer."""
