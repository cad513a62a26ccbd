"""What operators may do with parked messages: look, retry, skip, edit, carry out and in. Every act is audited in its own transaction.

The one rule: only the head of a gate can be retried, skipped or edited; anything else would break the order of its key.
"""

from klaster_shared.consuming.office.acts import NotHead
from klaster_shared.consuming.office.carrying import ParkedRecord, Reception, TakenIn
from klaster_shared.consuming.office.editing import EditingOff
from klaster_shared.consuming.office.listing import Parked, Wanted, summary
from klaster_shared.consuming.office.parking_office import ParkingOffice, Touched

__all__ = ["EditingOff", "NotHead", "Parked", "ParkedRecord", "ParkingOffice", "Reception", "TakenIn", "Touched", "Wanted", "summary"]
