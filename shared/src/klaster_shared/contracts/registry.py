"""Which class is which message on the wire: one decorator binds them, one table finds them.

The one rule: everything that names a message (topic, type, source, schema) is derived here from the class and its topic, so that
no service spells a header itself. The table is built from the contract modules when first asked for, not by importing them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Final
from uuid import UUID

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json

from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.envelope import OWN_SOURCES, Envelope, Undecodable
from klaster_shared.contracts.topics import TOPICS

CONTRACT_MODULES: Final = ("partners", "events", "budget", "notifications", "inbound")

_BINDING: Final = "__klaster_message_type__"


class SchemaViolation(Exception):
    """The body is JSON, but not what its type promises. `problems` are pairs of field path and broken rule, never values."""

    def __init__(self, ce_type: str, problems: tuple[tuple[str, str], ...]) -> None:
        broken = ", ".join(f"{path} ({rule})" for path, rule in problems)
        super().__init__(f"The body breaks the schema of {ce_type}: {broken}.")
        self.ce_type = ce_type
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageType:
    """How a message class appears on the wire.

    `subject_field` is None for what only other systems send: subject and source are then the sender's own, and `ce_source` is
    only what such sources begin with. A `scheduled` message leaves at a time set beforehand, not with a fact.
    """

    name: str
    version: int
    topic: str
    service: str
    aggregate: str
    ce_type: str
    ce_source: str
    ce_dataschema: str
    model: type[Message]
    subject_field: str | None
    scheduled: bool = False

    @property
    def schema_name(self) -> str:
        """`partners.OrganisationRegistered`, as in schema URNs, schema files and `/schemas/{name}/{version}`."""
        return f"{self.service}.{self.name}"


def message[M: Message](topic: str, *, subject: str | None = None, version: int = 1, scheduled: bool = False) -> Callable[[type[M]], type[M]]:
    """Binds a message class to its topic. `subject` is the field with the aggregate's id: subject, key and partition key of each
    message; None for what only other systems send. The wire name is the class name without a trailing `V<version>`. Scheduled
    messages have their topics for themselves: they take their place in the order when they are due.
    """

    def bind(model: type[M]) -> type[M]:
        if subject is not None and subject not in model.model_fields:
            raise TypeError(f"{model.__name__} has no field {subject} to be its subject")
        service, aggregate = TOPICS[topic].service, TOPICS[topic].aggregate
        name = model.__name__.removesuffix(f"V{version}")
        bound = MessageType(
            name=name,
            version=version,
            topic=topic,
            service=service,
            aggregate=aggregate,
            ce_type=f"pl.lifescience.{service}.{name}.v{version}",
            ce_source=f"/{aggregate}/" if subject is None else f"{OWN_SOURCES}{service}/{aggregate}",
            ce_dataschema=f"urn:klaster:schema:{service}.{name}:{version}",
            model=model,
            subject_field=subject,
            scheduled=scheduled,
        )
        setattr(model, _BINDING, bound)
        return model

    return bind


def type_of_model(model: type[Message]) -> MessageType:
    """The wire names of a message class. Raises TypeError for a class that no decorator bound."""
    bound = model.__dict__.get(_BINDING)
    if not isinstance(bound, MessageType):
        raise TypeError(f"{model.__name__} is not bound to a topic")
    return bound


def type_of(message: Message) -> MessageType:
    """The wire names of a message. Raises TypeError as `type_of_model` does."""
    return type_of_model(type(message))


@cache
def _by_ce_type() -> Mapping[str, MessageType]:
    found: dict[str, MessageType] = {}
    for module_name in CONTRACT_MODULES:
        module = import_module(f"klaster_shared.contracts.{module_name}")
        for member in vars(module).values():
            if isinstance(member, type) and issubclass(member, Message) and isinstance(bound := member.__dict__.get(_BINDING), MessageType):
                found[bound.ce_type] = bound
    return MappingProxyType(found)


def all_messages() -> tuple[MessageType, ...]:
    """Every message type there is, in the order of the contract modules."""
    return tuple(_by_ce_type().values())


def by_ce_type(ce_type: str) -> MessageType | None:
    return _by_ce_type().get(ce_type)


def by_schema(schema_name: str, version: int) -> MessageType | None:
    """The type of `partners.OrganisationRegistered`, 1."""
    return next((known for known in all_messages() if (known.schema_name, known.version) == (schema_name, version)), None)


def parse(envelope: Envelope) -> Message | None:
    """The message in an envelope; None when its type is unknown here.

    Raises SchemaViolation when the body breaks the schema, Undecodable when it is no JSON at all or holds text with a NUL character.
    """
    known = by_ce_type(envelope.type)
    if known is None:
        return None
    try:
        message = known.model.model_validate_json(envelope.data, strict=True)
        # PostgreSQL cannot store U+0000. Valid JSON writes it in one way only, which makes the cheap test exact enough to go first.
        if rb"\u0000" in envelope.data and _holds_nul(from_json(envelope.data)):
            raise Undecodable("The body holds text with a NUL character.")
    except ValidationError as error:
        broken = error.errors(include_url=False, include_context=False, include_input=False)
        if any(problem["type"] == "json_invalid" for problem in broken):
            raise Undecodable("The body is not JSON.") from None
        problems = tuple((".".join(map(str, problem["loc"])) or "body", problem["type"]) for problem in broken)
        raise SchemaViolation(known.ce_type, problems) from None
    return message


def enclose(
    message: Message,
    *,
    id: UUID,  # noqa: A002 - the CloudEvents name
    time: datetime,
    recorded_time: datetime,
    sequence: int,
    correlation_id: str | None = None,
    causation_id: str | None = None,
) -> Envelope:
    """A message of ours in its envelope. Raises TypeError for a message that only other systems send."""
    known = type_of(message)
    if known.subject_field is None:
        raise TypeError(f"{known.name} is sent by other systems, not by Klaster")
    subject = str(getattr(message, known.subject_field))
    return Envelope(
        id=str(id),
        source=known.ce_source,
        type=known.ce_type,
        subject=subject,
        time=time,
        recorded_time=recorded_time,
        sequence=sequence,
        partition_key=subject,
        correlation_id=correlation_id,
        causation_id=causation_id,
        data_schema=known.ce_dataschema,
        data=message.model_dump_json(warnings="none").encode(),  # a warning would repeat the value; the recorder reads the bytes again
    )


def _holds_nul(part: JsonValue) -> bool:
    match part:
        case str():
            return "\0" in part
        case list():
            return any(map(_holds_nul, part))
        case dict():
            return any("\0" in name or _holds_nul(member) for name, member in part.items())
        case _:
            return False
