"""Types for the fields of request and response bodies: what a client may write, and how the service writes it back.

The one rule: a value is taken only in the form the interface promises. Numbers, dates and amounts that JSON or pydantic would
generously read from another form are refused, with the field's path and never its content.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StrictBool,
    StrictStr,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from klaster_shared.errors import Invalid
from klaster_shared.money import Money, minor_digits

LONGEST_EMAIL: Final = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
LONGEST_LOCAL_PART: Final = 64  # section 4.5.3.1.1 there
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL: Final = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*")  # HTML standard, "valid email address"
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)  # RFC 3339 section 5.6
_UNPRINTABLE: Final = {"Cc", "Cs"}  # controls (NUL among them) and halves of surrogate pairs
_LINE_BREAKS: Final = "\n\r\t"


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused, because a misspelt optional field would silently be lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Resource(BaseModel):
    """Base of response bodies."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Text:
    """`Annotated[str, Text(80)]`: trimmed, `min_length` to `max_length` characters after that, no control characters."""

    max_length: int
    min_length: int = 1
    multiline: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        trimmed = core_schema.str_schema(strip_whitespace=True, min_length=self.min_length, max_length=self.max_length)
        return core_schema.no_info_after_validator_function(_without_controls(_LINE_BREAKS if self.multiline else ""), trimmed)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The pattern says what the length cannot: some of it is to be seen, none of it is a control character."""
        controls = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f" if self.multiline else r"\u0000-\u001f\u007f-\u009f"
        anything, something = f"[^{controls}]*", rf"[^\s{controls}]" if self.min_length else ""
        return handler(schema) | {"pattern": f"^{anything}{something}{anything}$"}


def _without_controls(allowed: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if any(unicodedata.category(character) in _UNPRINTABLE and character not in allowed for character in text):
            raise ValueError("control characters are not allowed")
        return text

    return check


Line = Annotated[str, Text(200)]
"""A name, a title, a place."""

Paragraph = Annotated[str, Text(4000, multiline=True)]
"""A reason, a description."""

Code = Annotated[str, Text(64)]
"""A code or a document number that people choose."""


def _normalised_email(text: str) -> str:
    local, _, _ = text.partition("@")
    if not _EMAIL.fullmatch(text) or len(local) > LONGEST_LOCAL_PART:
        raise ValueError("not an e-mail address")
    return text.lower()


Email = Annotated[str, Text(LONGEST_EMAIL), AfterValidator(_normalised_email), Field(json_schema_extra={"format": "email"})]
"""Trimmed and lower-cased. Well formed as browsers mean it; whether mail arrives is not asked."""


def _written_like(form: re.Pattern[str], example: str) -> Callable[[Any], Any]:
    """Pydantic reads numbers, and digits in strings, as seconds since 1970: that is nobody's date."""

    def check(given: Any) -> Any:
        if not isinstance(given, str) or form.fullmatch(given) is None:
            raise ValueError(f"text such as {example} is expected")
        return given

    return check


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None


def _rfc_3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


InstantIn = Annotated[AwareDatetime, BeforeValidator(_written_like(_INSTANT, "2012-01-31T10:00:00+01:00")), AfterValidator(_in_utc)]
"""RFC 3339 with an offset; arrives in UTC."""

InstantOut = Annotated[datetime, PlainSerializer(_rfc_3339, return_type=str), Field(json_schema_extra={"format": "date-time"})]
"""Written in UTC with `Z`."""

Day = Annotated[date, BeforeValidator(_written_like(_DAY, "2012-01-31"))]
"""`YYYY-MM-DD`."""

Flag = StrictBool
"""`true` or `false`, no other word for it."""


@dataclass(frozen=True, slots=True)
class Whole:
    """`Annotated[int, Whole(1, 100_000)]`: a JSON integer within bounds; the upper default is what a database integer holds."""

    minimum: int = 0
    maximum: int = 2**31 - 1

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.int_schema(strict=True, ge=self.minimum, le=self.maximum)


@dataclass(frozen=True, slots=True)
class DecimalText:
    """`Annotated[Decimal, DecimalText(places=8)]`: plain decimal digits in a JSON string, above zero."""

    places: int
    digits: int = 15

    @property
    def _pattern(self) -> str:
        return rf"^[0-9]{{1,{self.digits}}}(\.[0-9]{{1,{self.places}}})?$"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True, pattern=self._pattern)
        return _both_ways(Decimal, core_schema.no_info_after_validator_function(_positive, text), _decimal_to_wire)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": self._pattern}


def _both_ways(kind: type[Any], from_wire: CoreSchema, to_wire: Callable[[Any], Any]) -> CoreSchema:
    """Accepts the Python value as it is, so that one type serves request and response bodies."""

    def read(given: Any, of_wire: core_schema.ValidatorFunctionWrapHandler) -> Any:
        return given if isinstance(given, kind) else of_wire(given)

    return core_schema.no_info_wrap_validator_function(read, from_wire, serialization=core_schema.plain_serializer_function_ser_schema(to_wire))


def _decimal_to_wire(number: Decimal) -> str:
    return format(number, "f")


def _positive(text: str) -> Decimal:
    number = Decimal(text)
    if not number:
        raise ValueError("a number above zero is expected")
    return number


class _MoneyBody(BaseModel):
    model_config = ConfigDict(extra="forbid", title="Money")

    currency: StrictStr = Field(pattern="^[A-Z]{3}$", description="ISO 4217", examples=["PLN"])
    amount: StrictStr = Field(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,4})?$", description="Plain decimal digits, as a string.", examples=["1234.50"])

    @field_validator("currency")
    @classmethod
    def _known(cls, currency: str) -> str:
        try:
            minor_digits(currency)
        except Invalid as error:
            raise ValueError(_complaint(error)) from None
        return currency

    @field_validator("amount")
    @classmethod
    def _fits(cls, amount: str, info: ValidationInfo) -> str:
        currency = info.data.get("currency")
        if currency is not None:
            try:
                Money.parse(amount, currency)
            except Invalid as error:
                raise ValueError(_complaint(error)) from None
        return amount


def _complaint(error: Invalid) -> str:
    return str(error.fields["errors"][0]["message"])


class _MoneyWire:
    """`Money` in Python, `{"amount": "1234.50", "currency": "PLN"}` on the wire, both ways."""

    def __init__(self, check: Callable[[Money], Money] = lambda money: money) -> None:
        self._check = check

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(body: _MoneyBody) -> Money:
            return self._check(Money.parse(body.amount, body.currency))

        return _both_ways(Money, core_schema.no_info_after_validator_function(read, handler.generate_schema(_MoneyBody)), _money_to_wire)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(_MoneyBody.__pydantic_core_schema__)


def _money_to_wire(money: Money) -> dict[str, str]:
    return {"amount": money.text, "currency": money.currency}


def _above_zero(money: Money) -> Money:
    if not money.is_positive:
        raise ValueError("an amount above zero is expected")
    return money


MoneyIn = Annotated[Money, _MoneyWire()]
"""Arrives as `klaster_shared.money.Money`; a JSON number, a fourth decimal place or an unknown currency is a 422 that names the field."""

PositiveMoneyIn = Annotated[Money, _MoneyWire(_above_zero)]

MoneyOut = Annotated[Money, _MoneyWire()]
"""Give it a `Money`."""
