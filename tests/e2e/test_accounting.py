"""An accounting system that is not ours books invoices; what it gets wrong stays its own trouble."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from klaster_shared.testing.accounting import AccountingSystem, Headers, an_invoice, headers_of
from klaster_shared.testing.desk import EFFECT_SECONDS, Desk, Json, money
from klaster_shared.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

CONSUMER = "budget.accounting"


async def declared(desk: Desk, grant: Json, number: str) -> Json:
    """The expenditure of a document, as soon as it is there."""

    async def found() -> Json | None:
        return next((each for each in await desk.expenditures(grant) if each["document"]["number"] == number), None)

    expenditure = await eventually(found, within=EFFECT_SECONDS, what=f"an expenditure of {number}")
    assert expenditure is not None
    return expenditure


async def parked_under(desk: Desk, key: str) -> Json:
    """The one parked message with this key, as soon as it is there."""

    async def found() -> Json:
        messages = await desk.parked("budget", consumer=CONSUMER, key=key)
        assert len(messages) == 1
        return messages[0]

    return await eventually(found, within=EFFECT_SECONDS, what=f"a parked message under {key}")


async def handled(desk: Desk, outcome: str) -> float:
    """How many messages the consumer has counted with this outcome."""
    text = (await desk.ask("GET", "budget", "/metrics")).text
    counted = [line for line in text.splitlines() if line.startswith("klaster_consumer_handled_total{") and f'consumer="{CONSUMER}"' in line]
    return sum(float(line.rsplit(maxsplit=1)[1]) for line in counted if f'outcome="{outcome}"' in line)


async def counted_more(desk: Desk, outcome: str, before: float, messages: int) -> None:
    async def counted() -> bool:
        return await handled(desk, outcome) == before + messages

    await eventually(counted, within=EFFECT_SECONDS, what=f"{messages} more {outcome} messages")


@pytest.fixture
async def grant(desk: Desk) -> Json:
    return await desk.grant(workshops="10000.00")


async def test_a_booked_invoice_becomes_an_expenditure_and_consumes_the_commitment(desk: Desk, accounting: AccountingSystem, grant: Json) -> None:
    event = await desk.approved(grant, costs={"workshops": "4000.00"})
    await desk.event_when(event["id"], financing="secured")
    invoice = an_invoice(grant, "workshops", "1500.00", event_id=event["id"])
    accounting.book(invoice)
    expenditure = await declared(desk, grant, invoice["invoice_number"])
    assert (expenditure["amount"], expenditure["consumed_from_commitment"]) == (money("1500.00"), money("1500.00"))
    assert expenditure["source"] == "/accounting/erp"
    (commitment,) = await desk.commitments(event["id"])
    assert (commitment["status"], commitment["lines"][0]["open"]) == ("partly_consumed", money("2500.00"))
    assert await desk.line(grant, "workshops") == {"planned": "10000.00", "committed": "2500.00", "declared": "1500.00", "available": "6000.00"}


async def test_the_same_message_ten_times_has_one_effect_and_nine_duplicates(desk: Desk, accounting: AccountingSystem, grant: Json) -> None:
    invoice = an_invoice(grant, "workshops", "100.00")
    message_id = accounting.book(invoice)
    await declared(desk, grant, invoice["invoice_number"])
    before = await handled(desk, "duplicate")
    for _ in range(9):
        accounting.book(invoice, message_id=message_id)
    await counted_more(desk, "duplicate", before, 9)
    assert (await desk.line(grant, "workshops"))["declared"] == "100.00"


async def test_the_same_document_under_another_id_is_counted_and_changes_nothing(desk: Desk, accounting: AccountingSystem, grant: Json) -> None:
    invoice = an_invoice(grant, "workshops", "100.00")
    accounting.book(invoice)
    await declared(desk, grant, invoice["invoice_number"])
    before = await handled(desk, "skipped")
    accounting.book(invoice)
    await counted_more(desk, "skipped", before, 1)
    assert len(await desk.expenditures(grant)) == 1


async def test_a_known_document_with_other_content_is_parked_as_a_conflict(desk: Desk, accounting: AccountingSystem, grant: Json) -> None:
    invoice = an_invoice(grant, "workshops", "100.00")
    accounting.book(invoice)
    await declared(desk, grant, invoice["invoice_number"])
    accounting.book(invoice | {"amount": money("110.00")})
    parked = await parked_under(desk, invoice["invoice_number"])
    assert (parked["reason"], parked["state"]) == ("conflict", "held")
    assert (await desk.line(grant, "workshops"))["declared"] == "100.00"


async def test_an_invoice_beyond_its_line_is_held(desk: Desk, accounting: AccountingSystem, grant: Json) -> None:
    invoice = an_invoice(grant, "workshops", "10000.01")
    accounting.book(invoice)
    parked = await parked_under(desk, invoice["invoice_number"])
    assert (parked["reason"], parked["state"]) == ("line-exceeded", "held")
    assert (await desk.line(grant, "workshops"))["available"] == "10000.00"


async def test_an_invoice_of_an_unknown_source_is_held(desk: Desk, accounting: AccountingSystem, grant: Json) -> None:
    invoice = an_invoice(grant, "workshops", "100.00")
    accounting.book(invoice, source="/accounting/somebody-else")
    parked = await parked_under(desk, invoice["invoice_number"])
    assert (parked["reason"], parked["state"]) == ("unknown-source", "held")
    assert await desk.expenditures(grant) == []


async def test_an_invoice_whose_rate_is_missing_is_applied_by_itself_once_the_rate_is_there(
    desk: Desk, accounting: AccountingSystem, grant: Json
) -> None:
    invoice = an_invoice(grant, "workshops", "100.00", currency="GBP")
    accounting.book(invoice)
    parked = await parked_under(desk, invoice["invoice_number"])
    assert (parked["reason"], parked["state"]) == ("rate-missing", "due")
    rate = {"currency": "GBP", "value": "4.9876", "date": invoice["issued_on"], "source": secrets.token_hex(4)}
    await desk.make("budget", "/v1/rates", rate)
    expenditure = await declared(desk, grant, invoice["invoice_number"])
    assert (expenditure["amount_in_grant_currency"], expenditure["rate"]["value"]) == (money("498.76"), "4.9876")
    assert await desk.parked("budget", consumer=CONSUMER, key=invoice["invoice_number"]) == []


async def test_invoices_of_one_key_behind_a_held_one_are_applied_in_order_after_it_is_skipped(
    desk: Desk, accounting: AccountingSystem, grant: Json
) -> None:
    key = secrets.token_hex(4)
    too_much, *others = (an_invoice(grant, "workshops", amount) for amount in ("10000.01", "1.00", "2.00"))
    for invoice in (too_much, *others):
        accounting.book(invoice, key=key)

    async def all_parked() -> list[Json]:
        found = await desk.parked("budget", consumer=CONSUMER, key=key)
        assert [message["state"] for message in found] == ["held", "waiting", "waiting"]
        return found

    head, following, _ = await eventually(all_parked, within=EFFECT_SECONDS)
    refused = await desk.ask("POST", "budget", f"/admin/parked/{following['id']}/skip", json={"reason": "out of order"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-head")
    await desk.do("budget", f"/admin/parked/{head['id']}/skip", {"reason": "booked on the wrong line"})
    for invoice in others:
        await declared(desk, grant, invoice["invoice_number"])
    assert [each["amount"]["amount"] for each in await desk.expenditures(grant)] == ["1.00", "2.00"]


type Malformed = Callable[[bytes, Headers], tuple[bytes | None, Headers]]


def with_header(name: str, *values: bytes | None) -> Malformed:
    """The header's values instead of the proper one."""

    def change(value: bytes, headers: Headers) -> tuple[bytes, Headers]:
        return value, [header for header in headers if header[0] != name] + [(name, given) for given in values]

    return change


def with_value(value: bytes | None) -> Malformed:
    return lambda _, headers: (value, headers)


def with_field(name: str, given: Any) -> Malformed:
    return lambda value, headers: (json.dumps(json.loads(value) | {name: given}).encode(), headers)


MALFORMED: dict[str, tuple[Malformed, str]] = {
    "a null header": (with_header("ce_source", None), "undecodable"),
    "a duplicate header": (with_header("ce_source", b"/accounting/erp", b"/accounting/other"), "undecodable"),
    "a header that is not UTF-8": (with_header("ce_subject", b"\xff\xfe"), "undecodable"),
    "no CloudEvents headers": (lambda value, _: (value, []), "undecodable"),
    "another CloudEvents version": (with_header("ce_specversion", b"0.3"), "undecodable"),
    "a tombstone": (with_value(None), "undecodable"),
    "no JSON": (with_value(b"<invoice/>"), "undecodable"),
    "a NUL in the text": (with_field("issuer", "Printing\0house"), "undecodable"),
    "a missing field": (with_value(b"{}"), "schema"),
    "money as a number": (with_field("amount", {"amount": 100, "currency": "PLN"}), "schema"),
    "money that is not a number": (with_field("amount", {"amount": "NaN", "currency": "PLN"}), "schema"),
    "a body of 1 MB": (with_field("issuer", "x" * 1_000_000), "too-large"),
    "an unknown source": (with_header("ce_source", b"/accounting/unheard-of"), "unknown-source"),
}


@pytest.mark.parametrize("malformation", MALFORMED)
async def test_a_bad_record_is_parked_with_its_bytes_and_the_next_good_one_is_applied(
    desk: Desk, accounting: AccountingSystem, grant: Json, malformation: str
) -> None:
    change, reason = MALFORMED[malformation]
    key = secrets.token_hex(4)
    proper = json.dumps(an_invoice(grant, "workshops", "1.00")).encode()
    value, headers = change(proper, headers_of(message_id=key, subject=key))
    accounting.send(value, headers, key=key.encode())
    await applied_after(desk, accounting, grant, malformation)
    parked = await parked_under(desk, key)
    assert (parked["reason"], parked["state"]) == (reason, "held")
    shown = await desk.show("budget", f"/admin/parked/{parked['id']}?payload=true")
    assert shown["value_base64"] == (None if value is None else base64.b64encode(value).decode())
    assert shown["headers"] == [[name, None if given is None else base64.b64encode(given).decode()] for name, given in headers]


@pytest.mark.parametrize("key", [None, b"\x00\xff\xfe"], ids=["no key", "a binary key"])
async def test_a_strange_key_is_the_senders_own_affair(desk: Desk, accounting: AccountingSystem, grant: Json, key: bytes | None) -> None:
    invoice = an_invoice(grant, "workshops", "1.00")
    accounting.send(json.dumps(invoice).encode(), headers_of(message_id=secrets.token_hex(8), subject="1"), key=key)
    assert await declared(desk, grant, invoice["invoice_number"])


@pytest.mark.parametrize("key", [None, b"\x00\xff\xfd"], ids=["no key", "a binary key"])
async def test_a_bad_record_with_a_strange_key_is_parked_too(desk: Desk, accounting: AccountingSystem, grant: Json, key: bytes | None) -> None:
    body = secrets.token_hex(8).encode()
    accounting.send(body, headers_of(message_id=secrets.token_hex(8), subject="1"), key=key)
    await applied_after(desk, accounting, grant, f"a bad record under {key!r}")

    async def parked() -> bool:
        held = await desk.parked("budget", consumer=CONSUMER, state="held")
        shown = [await desk.show("budget", f"/admin/parked/{each['id']}?payload=true") for each in held[-3:]]
        return base64.b64encode(body).decode() in [each["value_base64"] for each in shown]

    await eventually(parked, within=EFFECT_SECONDS)


async def test_an_unknown_type_is_skipped_and_counted(desk: Desk, accounting: AccountingSystem, grant: Json) -> None:
    before, key = await handled(desk, "skipped"), secrets.token_hex(4)
    kind = "pl.lifescience.inbound.SomethingNew.v1"
    accounting.send(b"{}", headers_of(message_id=key, subject=key, message_type=kind), key=key.encode())
    await counted_more(desk, "skipped", before, 1)
    await applied_after(desk, accounting, grant, "an unknown type")
    assert await desk.parked("budget", consumer=CONSUMER, key=key) == []


async def applied_after(desk: Desk, accounting: AccountingSystem, grant: Json, what: str) -> None:
    """Books a good invoice and waits for it; how long that took is printed, and depends on the machine."""
    good, begun = an_invoice(grant, "workshops", "1.00"), time.perf_counter()
    accounting.book(good)
    await declared(desk, grant, good["invoice_number"])
    print(f"after {what}: applied in {1000 * (time.perf_counter() - begun):.0f} ms")  # noqa: T201 - a measurement, shown with -rP
