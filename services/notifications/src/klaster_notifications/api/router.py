"""The routes: parse, call, translate."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from klaster_notifications.api.dependencies import Asked, Shelf
from klaster_notifications.api.schemas import DeliveryOut, RuleOut, TemplateOut
from klaster_notifications.application.queries import DeliveriesAsked
from klaster_notifications.domain.delivery import Status
from klaster_notifications.domain.ids import CauseId, DeliveryId, RecipientId
from klaster_notifications.domain.rules import RULES
from klaster_shared.errors import NotFound
from klaster_shared.web.commands import CommandRoute
from klaster_shared.web.etags import tag_response
from klaster_shared.web.pagination import Page, PageOf

router = APIRouter(prefix="/v1", route_class=CommandRoute)


@router.get("/deliveries", tags=["deliveries"])
async def list_deliveries(
    asked: Asked,
    paging: PageOf,
    recipient_id: RecipientId | None = None,
    status: Status | None = None,
    cause: Annotated[CauseId | None, Query(description="The `ce_id` of the message that asked for them.")] = None,
) -> Page[DeliveryOut]:
    wanted = DeliveriesAsked(recipient=recipient_id, status=status, cause=cause)
    found = await asked.deliveries(wanted, after=paging.after, rows=paging.rows)
    return paging.page([DeliveryOut.of(tracked) for tracked in found])


@router.get("/deliveries/{delivery_id}", tags=["deliveries"])
async def get_delivery(delivery_id: DeliveryId, asked: Asked, response: Response) -> DeliveryOut:
    tracked = await asked.delivery(delivery_id)
    tag_response(response, tracked.delivery.version)
    return DeliveryOut.of(tracked)


@router.get("/rules", tags=["rules"])
async def list_rules() -> Page[RuleOut]:
    """Few, and always all of them: there is no next page."""
    return Page(items=[RuleOut.of(rule) for rule in RULES], next=None)


@router.get("/rules/{name}", tags=["rules"])
async def get_rule(name: str) -> RuleOut:
    rule = next((rule for rule in RULES if rule.name == name), None)
    if rule is None:
        raise NotFound("rule", name)
    return RuleOut.of(rule)


@router.get("/templates", tags=["templates"])
async def list_templates(shelf: Shelf) -> Page[TemplateOut]:
    """Few, and always all of them: there is no next page."""
    return Page(items=[TemplateOut.of(template, RULES) for template in shelf.templates()], next=None)


@router.get("/templates/{name}", tags=["templates"])
async def get_template(name: str, shelf: Shelf) -> TemplateOut:
    return TemplateOut.of(shelf.template(name), RULES)
