import json

import pytest
from pydantic import ValidationError

from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.inbound import InvoiceBooked
from klaster_shared.contracts.registry import type_of_model

INVOICE = example_of(type_of_model(InvoiceBooked))


@pytest.mark.parametrize("field", ["invoice_number", "issuer", "grant_code", "line_code", "issuer_nip"])
@pytest.mark.parametrize("text", ["", " \n", "x" * 201])
def test_text_that_becomes_part_of_a_key_says_something_and_has_an_end(field: str, text: str) -> None:
    with pytest.raises(ValidationError, match=field):
        InvoiceBooked.model_validate_json(json.dumps({**INVOICE, field: text}))


def test_an_amount_must_be_text() -> None:
    with pytest.raises(ValidationError, match="amount"):
        InvoiceBooked.model_validate_json(json.dumps({**INVOICE, "amount": {"amount": 1101.75, "currency": "EUR"}}))
