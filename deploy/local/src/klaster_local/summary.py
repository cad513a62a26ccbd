"""What the seeded project has become: the figures that `klaster up` and `klaster seed` end with.

The one rule: every figure is asked of the running system through its interface; nothing is carried over from the loading.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from klaster_local.endpoints import Endpoint, Ends, Json
from klaster_shared.contracts.topics import INBOUND_ACCOUNTING

TIERS = ("full", "associate", "observer")


class NetworkFigures(BaseModel):
    """Memberships as of today; `applied` are those without a tier yet."""

    code: str
    full: int = 0
    associate: int = 0
    observer: int = 0
    applied: int = 0


class EventFigures(BaseModel):
    title: str
    kind: str
    starts_at: str
    status: str
    financing: str
    refusal: str = ""
    confirmed: int
    waiting: int
    capacity: int


class LineFigures(BaseModel):
    """Amounts as text, in the grant's currency."""

    code: str
    planned: str
    committed: str
    declared: str
    available: str


class GrantFigures(BaseModel):
    code: str
    currency: str
    total: str
    lines: list[LineFigures]
    totals: LineFigures


class DeliveryFigures(BaseModel):
    """Deliveries of one rule by what has become of them."""

    rule: str
    sent: int = 0
    queued: int = 0
    failed: int = 0
    suppressed: int = 0


class MessageFigures(BaseModel):
    """`published` are in Kafka's logs, of which `inbound` by other systems; `handled` counts each once per consumer that has passed it. The rest
    is counted by the services since they were started.
    """

    published: int
    inbound: int
    handled: int
    applied: int
    skipped: int
    duplicates: int
    parked: int


class Summary(BaseModel):
    organisations: int
    contacts_told: int
    networks: list[NetworkFigures]
    events: list[EventFigures]
    registrations: dict[str, int]
    grants: list[GrantFigures]
    expenditures: int
    deliveries: list[DeliveryFigures]
    messages: MessageFigures


async def summarise(services: Mapping[str, Endpoint], ends: Ends) -> Summary:
    """`ends` are of the logs, as the settled look saw them."""
    partners, events, budget, notifications = (services[name] for name in ("partners", "events", "budget", "notifications"))
    organisations, networks, memberships, held, grants, expenditures, deliveries = await asyncio.gather(
        partners.items("/v1/organisations"),
        partners.items("/v1/networks"),
        partners.items("/v1/memberships"),
        events.items("/v1/events"),
        budget.items("/v1/grants"),
        budget.items("/v1/expenditures"),
        notifications.items("/v1/deliveries"),
    )
    return Summary(
        organisations=len(organisations),
        contacts_told=len({each["recipient_id"] for each in deliveries if each["recipient_kind"] == "contact"}),
        networks=network_figures(networks, memberships),
        events=event_figures(held),
        registrations={name: sum(each[name] for each in held) for name in ("confirmed", "waiting")},
        grants=[grant_figures(each) for each in grants],
        expenditures=len(expenditures),
        deliveries=delivery_figures(deliveries),
        messages=await message_figures(services, ends),
    )


def network_figures(networks: Iterable[Json], memberships: Iterable[Json]) -> list[NetworkFigures]:
    """In the order in which the networks were registered."""
    counted = Counter((each["network_id"], each["tier"] or "applied") for each in memberships)
    return [NetworkFigures(code=network["code"], **{tier: counted[network["id"], tier] for tier in (*TIERS, "applied")}) for network in networks]


def event_figures(events: Iterable[Json]) -> list[EventFigures]:
    """In the order of their starts."""
    return [
        EventFigures(
            title=event["title"]["en"],
            refusal=_refusal(event["refusal"]),
            **{name: event[name] for name in ("kind", "starts_at", "status", "financing", "confirmed", "waiting", "capacity")},
        )
        for event in sorted(events, key=lambda event: (event["starts_at"], event["id"]))
    ]


def grant_figures(grant: Json) -> GrantFigures:
    return GrantFigures(
        code=grant["code"],
        currency=grant["total"]["currency"],
        total=grant["total"]["amount"],
        lines=[_line(line["code"], line) for line in grant["lines"]],
        totals=_line("total", grant["totals"]),
    )


def delivery_figures(deliveries: Iterable[Json]) -> list[DeliveryFigures]:
    """In the order of the rules' names."""
    counted = Counter((each["rule"], each["status"]) for each in deliveries)
    return [
        DeliveryFigures(rule=rule, **{status: number for (of_rule, status), number in counted.items() if of_rule == rule})
        for rule in sorted({rule for rule, _ in counted})
    ]


async def message_figures(services: Mapping[str, Endpoint], ends: Ends) -> MessageFigures:
    metrics = await asyncio.gather(*(service.metrics() for service in services.values()))
    parked = await asyncio.gather(*(service.parked() for service in services.values()))
    positions = await asyncio.gather(*(service.positions() for service in services.values()))

    def counted(outcome: str) -> int:
        return int(sum(samples.total("klaster_consumer_handled_total", outcome=outcome) for samples in metrics))

    return MessageFigures(
        published=sum(end - start for start, end in ends.values()),
        inbound=sum(end - start for (topic, _), (start, end) in ends.items() if topic == INBOUND_ACCOUNTING),
        handled=handled([row for rows in positions for row in rows], ends),
        applied=counted("applied"),
        skipped=counted("skipped"),
        duplicates=counted("duplicate"),
        parked=sum(map(len, parked)),
    )


def handled(positions: Sequence[Mapping[str, Any]], ends: Ends) -> int:
    """How far all consumers have come, in messages that are still in the logs."""
    starts = {partition: start for partition, (start, _) in ends.items()}
    return sum(max(0, row["next_offset"] - starts.get((row["topic"], row["partition"]), row["next_offset"])) for row in positions)


def _line(code: str, sums: Json) -> LineFigures:
    return LineFigures(code=code, **{name: sums[name]["amount"] for name in ("planned", "committed", "declared", "available")})


def _refusal(refusal: Json | None) -> str:
    if refusal is None:
        return ""
    if refusal["short_by"] is None:
        return str(refusal["reason"])
    return f"{refusal['line_code']} short by {refusal['short_by']['amount']} {refusal['short_by']['currency']}"
