"""What this service refuses. `state` in a problem is the state that refused (`status` there means the HTTP status)."""

from klaster_events.domain.ids import EventId, RegistrationId
from klaster_shared.errors import Refused


class TransitionRefused(Refused):
    """The event's state does not allow this step. `state` is the state it is in, `allowed_from` those that allow it.

    Read the event again: somebody else may have been faster, or the step has already been made.
    """

    slug = "transition-refused"

    def __init__(self, event: EventId, transition: str, state: str, allowed_from: tuple[str, ...]) -> None:
        super().__init__(
            f"Event {event} is {state}; to {transition} it, it must be {' or '.join(allowed_from)}.",
            event_id=str(event),
            transition=transition,
            state=state,
            allowed_from=list(allowed_from),
        )


class FinancingNotSecured(Refused):
    """The event is approved, but its costs are not reserved. Publish it when `financing` is `none` or `secured`; `pending` is
    answered before the approval's deadline.
    """

    slug = "financing-not-secured"

    def __init__(self, event: EventId, financing: str) -> None:
        super().__init__(f"The financing of event {event} is {financing}.", event_id=str(event), state=financing, financing=financing)


class EventNotOpen(Refused):
    """Only a published event takes registrations. `state` is the one it is in."""

    slug = "event-not-open"

    def __init__(self, event: EventId, state: str) -> None:
        super().__init__(f"Event {event} is {state}; only a published event takes registrations.", event_id=str(event), state=state)


class AlreadyRegistered(Refused):
    """The e-mail address already has a live registration for the event. Withdraw that one first; a new one starts at the end."""

    slug = "already-registered"

    def __init__(self, event: EventId) -> None:
        super().__init__(f"The address already has a live registration for event {event}.", event_id=str(event))


class RegistrationNotLive(Refused):
    """The registration has ended already: it was withdrawn, or its event was cancelled."""

    slug = "registration-not-live"

    def __init__(self, registration: RegistrationId, state: str) -> None:
        super().__init__(f"Registration {registration} is {state}.", registration_id=str(registration), state=state)


class WithdrawalClosed(Refused):
    """The event is over or cancelled, so nobody's place can be given to another any more. `state` is the event's."""

    slug = "withdrawal-closed"

    def __init__(self, registration: RegistrationId, event: EventId, state: str) -> None:
        super().__init__(
            f"Event {event} is {state}; its registrations stay as they are.", registration_id=str(registration), event_id=str(event), state=state
        )
