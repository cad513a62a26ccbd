from typing import Any

from klaster_budget.adapters.publishing import to_message
from klaster_budget.domain.commitment import Commitment
from klaster_budget.domain.expenditure import Expenditure
from klaster_budget.domain.ids import CommitmentId, EventId, ExpenditureId
from klaster_budget.testing import NOON, a_claim, a_grant, a_ledger, a_quotation, a_request, costs, eur
from klaster_shared.ids import new_id


def body(fact: Any) -> dict[str, Any]:
    return to_message(fact).model_dump(mode="json")


def pln(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "PLN"}


def lines(**amounts: str) -> list[dict[str, Any]]:
    return [{"line_code": code, "amount": pln(amount)} for code, amount in amounts.items()]


def test_a_grant_is_told_in_two_messages() -> None:
    grant = a_grant(code="MRPO-8.2", total="200", travel="100")

    registered, approved = (body(fact) for fact in grant.facts)

    assert registered == {
        "grant_id": str(grant.id),
        "code": "MRPO-8.2",
        "name": "Cooperation capacity",
        "funder": "Regional programme",
        "total": pln("200.00"),
        "starts_on": "2011-04-01",
        "ends_on": "2012-12-31",
    }
    assert approved == {
        "grant_id": str(grant.id),
        "lines": [{"code": "travel", "name": "Travel", "category": "external", "planned": pln("100.00")}],
    }


def test_every_step_of_a_commitment_tells_its_amounts_and_what_is_open_after_it() -> None:
    ledger, request = a_ledger(travel="100", venue="50"), a_request(*costs(travel="60", venue="40"))
    commitment = Commitment.answering(CommitmentId(new_id()), request, ledger, at=NOON)
    commitment.confirm(at=NOON)
    commitment.consume("travel", a_claim("25").amount, at=NOON)
    commitment.release(ledger, at=NOON)
    parties = {
        "commitment_id": str(commitment.id),
        "event_id": str(request.event),
        "approval_id": str(request.approval),
        "grant_id": str(request.grant),
    }

    told = [(type(to_message(fact)).__name__, body(fact)) for fact in commitment.facts]

    everything = lines(travel="60.00", venue="40.00")
    assert told == [
        ("CommitmentReserved", parties | {"lines": everything, "open": everything}),
        ("CommitmentConfirmed", parties | {"lines": everything, "open": everything}),
        ("CommitmentConsumed", parties | {"lines": lines(travel="25.00"), "open": lines(travel="35.00", venue="40.00")}),
        ("CommitmentReleased", parties | {"lines": lines(travel="35.00", venue="40.00"), "open": lines(travel="0.00", venue="0.00")}),
    ]


def test_a_refusal_tells_whom_it_concerns_and_every_shortfall() -> None:
    request = a_request(*costs(travel="101", venue="52"))
    commitment = Commitment.answering(CommitmentId(new_id()), request, a_ledger(travel="100", venue="50"), at=NOON)

    assert body(commitment.facts[0]) == {
        "commitment_id": str(commitment.id),
        "event_id": str(request.event),
        "approval_id": str(request.approval),
        "grant_id": str(request.grant),
        "host_organisation_id": str(request.host_organisation),
        "title": {"pl": "Warsztat", "en": "Workshop"},
        "reason": "insufficient",
        "line_code": "travel",
        "short_by": pln("1.00"),
        "shortfalls": [{"line_code": "travel", "short_by": pln("1.00")}, {"line_code": "venue", "short_by": pln("2.00")}],
    }


def test_a_refusal_for_an_unknown_grant_names_no_line() -> None:
    commitment = Commitment.answering(CommitmentId(new_id()), a_request(), None, at=NOON)

    told = body(commitment.facts[0])

    assert (told["reason"], told["line_code"], told["short_by"], told["shortfalls"]) == ("unknown_grant", None, None, [])


def test_an_expenditure_is_told_as_declared_and_as_it_counts() -> None:
    event, ledger = EventId(new_id()), a_ledger(travel="100")
    expenditure = Expenditure.declared(
        ExpenditureId(new_id()),
        a_claim(eur("10"), event=event),
        rate=a_quotation("4.2500"),
        ledger=ledger,
        commitments=[],
        source="http",
        by="local",
        at=NOON,
    )

    assert body(expenditure.facts[0]) == {
        "expenditure_id": str(expenditure.id),
        "grant_id": str(ledger.terms.id),
        "line_code": "travel",
        "event_id": str(event),
        "document": {"number": "FV/1/2011", "issued_on": "2011-09-01", "issuer": "Hotel", "issuer_nip": "1234563218"},
        "amount": {"amount": "10.00", "currency": "EUR"},
        "rate": {"value": "4.2500", "source": "NBP", "date": "2011-09-01"},
        "amount_in_grant_currency": pln("42.50"),
        "consumed_from_commitment": pln("0.00"),
    }
