"""What a route may ask for: the record of deliveries, and the shelf of templates. This service takes no command over HTTP."""

from typing import Annotated

from fastapi import Depends, Request

from klaster_notifications.application.queries import DeliveryRecord, TemplateShelf
from klaster_shared.web.reading import Reading


async def _record(request: Request, connection: Reading) -> DeliveryRecord:
    record: DeliveryRecord = request.app.state.record(connection)
    return record


async def _shelf(request: Request) -> TemplateShelf:
    shelf: TemplateShelf = request.app.state.shelf
    return shelf


Asked = Annotated[DeliveryRecord, Depends(_record, scope="function")]
"""Reads on a connection of its own, without a transaction."""

Shelf = Annotated[TemplateShelf, Depends(_shelf)]
