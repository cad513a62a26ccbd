"""What the notifications service refuses, and the state that refuses it. The class docstrings are the texts of the problem pages."""

from klaster_notifications.domain.ids import DeliveryId
from klaster_shared.errors import Refused


class AlreadySettled(Refused):
    """The delivery was sent, failed or suppressed before, and that is final. Look at its status."""

    slug = "already-settled"

    def __init__(self, delivery: DeliveryId, status: str) -> None:
        super().__init__(f"Delivery {delivery} is {status}; that is final.", delivery_id=str(delivery), status=status)
