"""What events says of registrations: each is told to the person it is about."""

from klaster_notifications.application.tell_registrant import TellRegistrant, tell_registrant
from klaster_notifications.consumers.causes import HeardWork, cause_of
from klaster_notifications.domain.ids import RecipientId
from klaster_notifications.domain.recipients import Locale, Recipient, RecipientKind, email_address
from klaster_shared.consuming.handling import handlers
from klaster_shared.contracts.events import RegistrationCancelled, RegistrationConfirmed, RegistrationWithdrawn, WaitlistJoined

type AboutRegistration = RegistrationConfirmed | WaitlistJoined | RegistrationWithdrawn | RegistrationCancelled


async def tell_of_confirmation(message: RegistrationConfirmed, work: HeardWork) -> None:
    await _tell(message, work)


async def tell_of_waiting(message: WaitlistJoined, work: HeardWork) -> None:
    await _tell(message, work)


async def tell_of_withdrawal(message: RegistrationWithdrawn, work: HeardWork) -> None:
    await _tell(message, work)


async def tell_of_cancellation(message: RegistrationCancelled, work: HeardWork) -> None:
    await _tell(message, work)


HANDLERS = handlers(
    RegistrationConfirmed=tell_of_confirmation,
    WaitlistJoined=tell_of_waiting,
    RegistrationWithdrawn=tell_of_withdrawal,
    RegistrationCancelled=tell_of_cancellation,
)


async def _tell(message: AboutRegistration, work: HeardWork) -> None:
    registrant = Recipient(
        id=RecipientId(message.registration_id),
        kind=RecipientKind.REGISTRANT,
        name=message.name,
        address=email_address(message.email),
        locale=Locale(message.locale),
    )
    await tell_registrant(TellRegistrant(cause=cause_of(message, work.incoming), registrant=registrant), work)
