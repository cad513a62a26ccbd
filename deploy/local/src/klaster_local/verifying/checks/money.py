"""Balances, computed once more from the messages that changed them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from klaster_local.verifying.expectations import CONSUMERS
from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.log import Message
from klaster_local.verifying.look import Look

COLUMNS: Final = {"CommitmentReserved": "reserved", "CommitmentConsumed": "consumed", "CommitmentReleased": "released"}
COMMITMENTS: Final = "budget.commitment.v1"
EVENTS: Final = "events.event.v1"
NOTHING: Final = Decimal(0)

type Amounts = Mapping[tuple[str, str], Decimal]
"""By line code and column."""


def commitments_follow_from_messages(look: Look) -> Iterator[Finding]:
    tables = look.before["budget"]
    rows: dict[UUID, dict[tuple[str, str], Decimal]] = defaultdict(dict)
    for row in tables["commitment_line"]:
        rows[row["commitment_id"]].update({(row["code"], column): row[column] for column in COLUMNS.values() if row[column]})
    for row in tables["commitment"]:
        life = look.life(COMMITMENTS, row["id"], row["version"])
        if life is not None:
            yield from _differences(f"commitment {row['id']}", rows[row["id"]], sums_of(life))


def lines_follow_from_commitments(look: Look) -> Iterator[Finding]:
    """Per line: what open commitments hold, what documents have used, and never more than was planned."""
    tables = look.before["budget"]
    held: dict[UUID, Decimal] = defaultdict(Decimal)
    for row in tables["commitment_line"]:
        held[row["line_id"]] += row["reserved"] - row["consumed"] - row["released"]
    spent = {row["line_id"]: row["amount"] for row in tables["spent"]}
    for row in tables["budget_line"]:
        subject = f"line {row['grant']}/{row['code']}"
        for column, wanted in (("committed", held[row["id"]]), ("declared", spent.get(row["id"], NOTHING))):
            yield from _difference(f"line-{column}", subject, row[column], wanted)
        if row["committed"] + row["declared"] > row["planned"]:
            detail = f"committed {row['committed']} and declared {row['declared']} of {row['planned']}"
            yield Finding(category=Category.DUPLICATED, check="line-overdrawn", place="budget", subject=subject, detail=detail)


def expenditures_follow_from_messages(look: Look) -> Iterator[Finding]:
    """Per line of a grant: what was said to be declared is what the line has declared. Only where all messages are there."""
    tables = look.before["budget"]
    lives = [look.life("budget.expenditure.v1", row["id"], row["version"]) for row in tables["expenditure"]]
    said: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for life in lives:
        if life is None:
            return
        body = life[0].body
        said[body["grant_id"], body["line_code"]] += Decimal(body["amount_in_grant_currency"]["amount"])
    spent = {row["line_id"]: row["amount"] for row in tables["spent"]}
    for row in tables["budget_line"]:
        wanted = said[str(row["grant_id"]), row["code"]]
        yield from _difference("expenditures", f"line {row['grant']}/{row['code']}", spent.get(row["id"], NOTHING), wanted)


def no_money_is_kept_for_the_dead(look: Look) -> Iterator[Finding]:
    """When budget has heard that an event is cancelled, or its approval over, nothing is open for it."""
    tables, progress = look.before["budget"], look.progress(next(each for each in CONSUMERS if each.name == "budget.events"))
    open_: dict[UUID, Decimal] = defaultdict(Decimal)
    for row in tables["commitment_line"]:
        open_[row["commitment_id"]] += row["reserved"] - row["consumed"] - row["released"]
    over: dict[str, Message] = {}
    for message in look.log.records.get(EVENTS, ()):
        if message.id in progress.effective and message.type in {"EventCancelled", "EventReturnedToDraft"}:
            body = message.body
            over[body.get("approval_id") or body["event_id"]] = message
    for commitment, amount in open_.items():
        life = look.life(COMMITMENTS, commitment, 1) if amount else None
        body = life[0].body if life else {}
        if cause := over.get(str(body.get("approval_id"))) or over.get(str(body.get("event_id"))):
            detail = f"{amount} is open after {cause.type}, {cause.at}"
            yield Finding(category=Category.LOST, check="money-not-released", place="budget", subject=f"commitment {commitment}", detail=detail)


def sums_of(life: Sequence[Message]) -> Amounts:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for message in life:
        if column := COLUMNS.get(message.type or ""):
            for line in message.body["lines"]:
                sums[line["line_code"], column] += _amount(line["amount"])
    return sums


def _amount(value: Mapping[str, Any]) -> Decimal:
    return Decimal(value["amount"])


def _differences(subject: str, found: Amounts, wanted: Amounts) -> Iterator[Finding]:
    for code, column in sorted({*found, *wanted}):
        yield from _difference(
            f"commitment-{column}", f"{subject}, line {code}", found.get((code, column), NOTHING), wanted.get((code, column), NOTHING)
        )


def _difference(check: str, subject: str, found: Decimal, wanted: Decimal) -> Iterator[Finding]:
    """More than the messages say was counted twice, less was lost."""
    if found != wanted:
        category = Category.DUPLICATED if found > wanted else Category.LOST
        yield Finding(category=category, check=check, place="budget", subject=subject, detail=f"{found} in the table, {wanted} by the messages")
