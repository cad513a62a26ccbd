"""What use cases need from outside, in domain words. The edge opens the work and commits it; a use case does neither."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from klaster_notifications.domain.audiences import Cause, Contact
from klaster_notifications.domain.delivery import Delivery
from klaster_notifications.domain.dispatch import Answer, Dispatch
from klaster_notifications.domain.ids import ClaimId, DeliveryId, OrganisationId
from klaster_notifications.domain.letters import Letter, OutgoingMail
from klaster_notifications.domain.recipients import Recipient
from klaster_notifications.domain.rules import Rule
from klaster_shared.clock import Instant
from klaster_shared.errors import Unavailable


class Letters(Protocol):
    def write(self, rule: Rule, cause: Cause, recipient: Recipient) -> Letter:
        """The rule's template in the recipient's language, with its calendar part if the rule has one."""


class Deliveries(Protocol):
    async def add(self, delivery: Delivery, letter: Letter) -> bool:
        """False, and nothing happens, when the recipient or the address already has a delivery of this cause, template and channel."""

    async def get(self, key: DeliveryId) -> Delivery:
        """Raises NotFound."""

    async def save(self, delivery: Delivery) -> None:
        """Raises StaleVersion when it was stored by somebody else since it was read."""


class Dispatches(Protocol):
    async def add(self, dispatch: Dispatch) -> None: ...

    async def lock_due(self, at: Instant, most: int) -> Sequence[DeliveryId]:
        """Locks mails that are due and that nobody else is locking, the longest due first."""

    async def claim(self, keys: Sequence[DeliveryId], claim: ClaimId, *, until: Instant) -> Sequence[OutgoingMail]:
        """Marks locked mails as somebody's until then, and reads them."""

    async def release(self, keys: Sequence[DeliveryId], claim: ClaimId, *, due_at: Instant) -> None:
        """Gives back what is still held under `claim`."""

    async def lock(self, key: DeliveryId) -> None: ...

    async def get(self, key: DeliveryId) -> Dispatch:
        """Raises NotFound."""

    async def save(self, dispatch: Dispatch) -> None: ...


class Audiences(Protocol):
    """Contacts and the causes that concern their organisations. Whoever keeps one and reads the other holds the organisation first."""

    async def hold(self, organisation: OrganisationId) -> None:
        """Until the end of the transaction nobody else keeps a contact or a cause of this organisation."""

    async def keep_contact(self, contact: Contact) -> None: ...

    async def keep_cause(self, cause: Cause, organisation: OrganisationId) -> None: ...

    async def contacts_of(self, organisation: OrganisationId) -> Sequence[Contact]:
        """In the order in which they were recorded."""

    async def causes_of(self, organisation: OrganisationId) -> Sequence[Cause]:
        """In the order in which they were recorded."""


class NotificationsWork(Protocol):
    """One transaction. `now` is its one instant."""

    @property
    def now(self) -> Instant: ...
    @property
    def letters(self) -> Letters: ...
    @property
    def deliveries(self) -> Deliveries: ...
    @property
    def dispatches(self) -> Dispatches: ...
    @property
    def audiences(self) -> Audiences: ...


class MailServerAway(Unavailable):
    """The mail server cannot be reached, or takes no mail from us at all. It says nothing about any single mail."""

    slug = "mail-server-away"

    def __init__(self, failure: str) -> None:
        super().__init__(f"The mail server takes no mail: {failure}.")
        self.failure = failure


class MailLine(Protocol):
    """One connection to the mail server."""

    @property
    def is_open(self) -> bool:
        """False after an answer that left the connection unusable."""

    async def send(self, mail: OutgoingMail) -> Answer:
        """One mail transaction.

        Raises:
            MailServerAway: the server refuses us, whatever the mail.
        """


class MailServer(Protocol):
    def connect(self) -> AbstractAsyncContextManager[MailLine]:
        """Raises MailServerAway."""
