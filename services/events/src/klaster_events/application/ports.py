"""What the use cases need of the outside, in their own words.

The one rule: `locked` takes the row's lock first and reads in a later statement, and whatever else a decision needs is read after
it. Several locks are taken in one order: an event's approval, then its seats, then the rows of event and registrations.
"""

from collections.abc import Sequence
from typing import Protocol

from klaster_events.application.queries import Agenda
from klaster_events.domain.approval import Approval
from klaster_events.domain.attempt import Attempt
from klaster_events.domain.event import Event
from klaster_events.domain.ids import ApprovalId, EventId, RegistrationId
from klaster_events.domain.registrant import EmailAddress
from klaster_events.domain.registration import Registration
from klaster_events.domain.seats import Seats
from klaster_shared.clock import Instant
from klaster_shared.origin import Origin


class Events(Protocol):
    async def get(self, event: EventId, expected: int | None = None) -> Event:
        """Raises NotFound, and StaleVersion when the version is another than `expected`."""

    async def save(self, event: Event) -> None:
        """Raises StaleVersion when somebody else was faster."""


class Approvals(Protocol):
    async def add(self, approval: Approval) -> None: ...

    async def locked(self, event: EventId) -> Approval:
        """Waits for the lock. Raises NotFound."""

    async def find_locked(self, event: EventId) -> Approval | None:
        """Waits for the lock; None for an event that is not here."""

    async def save(self, approval: Approval) -> None:
        """Also sees to it that an open deadline comes back when it has passed, and a closed one does not."""


class Attempts(Protocol):
    """Read and changed while the event's approval is locked."""

    async def find(self, approval: ApprovalId) -> Attempt | None:
        """None for what a release before this one has approved meanwhile: it kept no history."""

    async def save(self, attempt: Attempt) -> None:
        """New or known."""


class SeatRows(Protocol):
    async def add(self, seats: Seats) -> None: ...

    async def locked(self, event: EventId) -> Seats:
        """Waits for the lock. Raises NotFound."""

    async def save(self, seats: Seats) -> None: ...


class Registrations(Protocol):
    async def get(self, registration: RegistrationId, expected: int | None = None) -> Registration:
        """Raises NotFound, and StaleVersion when the version is another than `expected`."""

    async def event_of(self, registration: RegistrationId) -> EventId:
        """What must be known before the seats can be locked; it never changes. Raises NotFound."""

    async def is_registered(self, event: EventId, email: EmailAddress) -> bool:
        """Whether the address has a live registration."""

    async def head_of_line(self, event: EventId) -> Registration | None:
        """Whoever has waited longest."""

    async def live(self, event: EventId) -> Sequence[Registration]:
        """Confirmed and waiting, in the order in which they came."""

    async def save(self, registration: Registration) -> None:
        """Raises AlreadyRegistered for a second live one of the address, StaleVersion when somebody else was faster."""

    async def save_all(self, registrations: Sequence[Registration]) -> None:
        """Any number of existing ones, each with one new fact, in one statement. Raises StaleVersion."""


class EventsWork(Protocol):
    """One transaction."""

    @property
    def now(self) -> Instant: ...
    @property
    def actor(self) -> str: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def events(self) -> Events: ...
    @property
    def approvals(self) -> Approvals: ...
    @property
    def attempts(self) -> Attempts: ...
    @property
    def seats(self) -> SeatRows: ...
    @property
    def registrations(self) -> Registrations: ...
    @property
    def agenda(self) -> Agenda:
        """What this transaction would read, its own writes included."""
