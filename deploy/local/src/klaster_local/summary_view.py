"""The summary as people read it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from klaster_local.summary import GrantFigures, LineFigures, Summary
from klaster_local.tables import cut, pairs, table

STATUS_STYLES = {"completed": "green", "published": "green", "approved": "cyan", "cancelled": "dim", "draft": "yellow", "submitted": "yellow"}
FINANCING_STYLES = {"secured": "green", "refused": "red", "pending": "yellow", "released": "dim", "none": "dim"}


def summary_view(summary: Summary, urls: Mapping[str, str]) -> RenderableType:
    """`urls` are addresses by what is there."""
    return Group(*_parts(summary, urls))


def _parts(summary: Summary, urls: Mapping[str, str]) -> Iterator[RenderableType]:
    yield _networks(summary)
    yield _events(summary)
    yield from (_grant(grant, summary.expenditures) for grant in summary.grants)
    yield _deliveries(summary)
    yield _messages(summary)
    yield _addresses(urls)


def amount(text: str) -> str:
    """`1087398.00` as `1 087 398.00`, with narrow spaces that do not break."""
    return f"{Decimal(text):,f}".replace(",", "\u202f")


def _networks(summary: Summary) -> RenderableType:
    numbers = ("full", "associate", "observer", "applied")
    found = table(f"\nMembers · {summary.organisations} organisations", "network", *numbers, right=numbers)
    for network in summary.networks:
        found.add_row(network.code, *(_count(getattr(network, name)) for name in numbers))
    return found


def _events(summary: Summary) -> RenderableType:
    seats = ("confirmed", "waiting", "seats")
    title = f"\nEvents · {summary.registrations['confirmed']} confirmed, {summary.registrations['waiting']} waiting"
    found = table(title, "day", "event", "status", "financing", *seats, right=seats, yielding=("event",))
    for event in summary.events:
        found.add_row(
            event.starts_at[:10],
            cut(event.title),
            Text(event.status, STATUS_STYLES.get(event.status, "")),
            Text(event.financing, FINANCING_STYLES.get(event.financing, "")),
            _count(event.confirmed),
            _count(event.waiting),
            str(event.capacity),
        )
    refusals = [Text(f"refused: {event.title}, {event.refusal}", "red") for event in summary.events if event.refusal]
    return Group(found, *refusals)


def _grant(grant: GrantFigures, expenditures: int) -> RenderableType:
    sums = ("planned", "committed", "declared", "available")
    title = f"\nGrant {grant.code} · {amount(grant.total)} {grant.currency} · {expenditures} expenditures"
    found = table(title, "line", *sums, right=sums)
    for line in grant.lines:
        found.add_row(*_line(line))
    found.add_section()
    found.add_row(*_line(grant.totals), style="bold")
    return found


def _line(line: LineFigures) -> tuple[str, ...]:
    return (line.code, amount(line.planned), amount(line.committed), amount(line.declared), amount(line.available))


def _deliveries(summary: Summary) -> RenderableType:
    numbers = ("sent", "queued", "failed", "suppressed")
    total = sum(each.sent + each.queued + each.failed + each.suppressed for each in summary.deliveries)
    found = table(f"\nDeliveries · {total}", "rule", *numbers, right=numbers)
    for each in summary.deliveries:
        found.add_row(each.rule, *(_count(getattr(each, name)) for name in numbers))
    return found


def _messages(summary: Summary) -> RenderableType:
    figures = summary.messages
    found = pairs("\nMessages", right=True)
    for number, words in (
        (figures.published, f"published, {figures.inbound} of them by other systems"),
        (figures.handled, "handled by their consumers"),
        (figures.applied, f"applied, {figures.skipped} skipped and {figures.duplicates} duplicates since the services were started"),
        (figures.parked, "parked"),
    ):
        found.add_row(Text(str(number), "red" if words == "parked" and number else ""), words)
    return found


def _addresses(urls: Mapping[str, str]) -> RenderableType:
    found = pairs("\nAddresses")
    for name, url in urls.items():
        found.add_row(name, url)
    return found


def _count(number: int) -> str:
    return str(number) if number else "·"
