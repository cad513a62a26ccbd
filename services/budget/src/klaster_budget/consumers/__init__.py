"""Everything this service hears."""

from klaster_budget.consumers import accounting, events
from klaster_shared.consuming.handling import Consumer
from klaster_shared.contracts import topics
from klaster_shared.contracts.events import EventApproved, EventCancelled, EventPublished, EventReturnedToDraft
from klaster_shared.contracts.inbound import InvoiceBooked

CONSUMES = (EventApproved, EventReturnedToDraft, EventPublished, EventCancelled, InvoiceBooked)


def build_consumers(accounting_sources: frozenset[str]) -> tuple[Consumer, ...]:
    """Invoices are taken from `accounting_sources` alone."""
    return (
        Consumer(name="budget.events", topics=(topics.EVENTS_EVENT,), handlers=events.HANDLERS),
        Consumer(name="budget.accounting", topics=(topics.INBOUND_ACCOUNTING,), handlers=accounting.HANDLERS, sources=accounting_sources),
    )
