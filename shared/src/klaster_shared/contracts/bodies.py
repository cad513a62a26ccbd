"""What message bodies are made of: the frozen base of all messages and the values that several of them share.

The one rule: readers ignore fields they do not know, and are strict about those they know. Numbers of money travel as text,
instants as RFC 3339 in UTC, and what belongs to a person is marked, so that erasure can find it and logs cannot show it.
"""

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def instant(text: str) -> dt.datetime:
    """RFC 3339 text with an offset as an aware UTC datetime; digits beyond microseconds are cut. Raises ValueError."""
    if _INSTANT.fullmatch(text) is None:
        raise ValueError("not an RFC 3339 instant with an offset")
    try:
        return dt.datetime.fromisoformat(text.upper()).astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("not an instant between the years 1 and 9999") from None


def instant_text(at: dt.datetime) -> str:
    """RFC 3339 in UTC with `Z`. Raises ValueError for a datetime without a zone."""
    if at.tzinfo is not dt.UTC:
        if at.utcoffset() is None:
            raise ValueError("an instant needs a time zone")
        at = at.astimezone(dt.UTC)
    return f"{at.isoformat()[:-6]}Z"


def _utc(given: object) -> object:
    if isinstance(given, str):
        return instant(given)
    if isinstance(given, dt.datetime) and given.utcoffset() is not None:
        return given.astimezone(dt.UTC)
    return given


Instant = Annotated[AwareDatetime, BeforeValidator(_utc)]
"""An aware UTC datetime; on the wire RFC 3339 with `Z`."""


class Personal:
    """Marks a field as belonging to a person: `Annotated[str, Personal]`. The schema shows it as `x-personal: true`."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core_schema), "x-personal": True}


class Body(BaseModel):
    """A JSON object of the wire, frozen. Its text form leaves out what is personal, its errors what was put in."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        fields = type(self).model_fields
        return ((name, value) for name, value in super().__repr_args__() if name not in fields or Personal not in fields[name].metadata)


class Message(Body):
    """What travels on Kafka, named in the past tense. Each concrete class is bound to its topic by `registry.message`."""


def _decimal_text(pattern: str) -> Any:
    """A Decimal in Python and text on the wire, in messages and in HTTP bodies alike; a JSON number is refused."""
    matches = re.compile(pattern).fullmatch

    def read(given: object) -> Decimal:
        text = format(given, "f") if isinstance(given, Decimal) else given
        if not isinstance(text, str) or matches(text) is None:
            raise ValueError("not a decimal number written as text, or one with too many digits")
        return Decimal(text)

    return (
        PlainValidator(read, json_schema_input_type=str),
        PlainSerializer(lambda number: format(number, "f"), return_type=str, when_used="json"),
        WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"}),
    )


AmountText = Annotated[Decimal, *_decimal_text(r"-?(?!(\.?[0-9]){16})[0-9]+(\.[0-9]+)?")]
"""At most 15 digits in all. How many of them may be minor ones is the currency's matter, thus the domain's."""

RateText = Annotated[Decimal, *_decimal_text(r"[0-9]{1,15}(\.[0-9]{1,8})?")]
"""At most 8 decimal places."""

CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class MoneyValue(Body):
    """`{"amount": "1234.50", "currency": "PLN"}`: at most 15 digits, of which at most the currency's minor ones follow the point."""

    amount: AmountText
    currency: CurrencyCode


class LocalisedText(Body):
    """The same text in both languages of the cluster."""

    pl: str
    en: str


class CostLine(Body):
    """An amount on one line of a grant's budget."""

    line_code: str
    amount: MoneyValue


class Shortfall(Body):
    """By how much one line of the budget falls short."""

    line_code: str
    short_by: MoneyValue


class ExchangeRate(Body):
    """Units of the grant's currency for one unit of the other one, with where and for which day it was published."""

    value: RateText
    source: str
    date: dt.date


Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""

Locale = Literal["pl", "en"]
