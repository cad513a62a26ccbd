"""What a service sends and receives, as an AsyncAPI 3.0 document made from the registry.

The one rule: the document is derived, never edited, so it cannot say anything that the code does not do. Sources: AsyncAPI 3.0.0 and
its Kafka bindings 0.5.0; the headers are CloudEvents' binary mode.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from klaster_shared.contracts.bodies import Message
from klaster_shared.contracts.examples import example_of
from klaster_shared.contracts.registry import MessageType, all_messages, type_of_model
from klaster_shared.contracts.schemas import WireSchema
from klaster_shared.contracts.topics import TOPICS

_KAFKA_BINDING: Final = "0.5.0"
_OPTIONAL_HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ce_subject": {"type": "string", "description": "The id of the aggregate."},
    "ce_partitionkey": {"type": "string", "description": "The id of the aggregate, the same as the key of the record."},
    "ce_time": {"type": "string", "format": "date-time", "description": "When it happened in the world."},
    "ce_recordedtime": {"type": "string", "format": "date-time", "description": "When it was recorded."},
    "ce_sequence": {"type": "string", "pattern": "^[0-9]{20}$", "description": "The number of this fact in the life of its aggregate, without gaps."},
    "ce_correlationid": {"type": "string", "description": "The flow that this message belongs to."},
    "ce_causationid": {"type": "string", "description": "The message or command that caused this one."},
}


def asyncapi(service: str, consumes: Iterable[type[Message]]) -> dict[str, Any]:
    """The document of one service: it sends every message of its own, and receives those given. Raises TypeError for an unbound class."""
    sent = [kind for kind in all_messages() if kind.service == service]
    received = [type_of_model(model) for model in consumes]
    kinds = list(dict.fromkeys([*sent, *received]))
    channels: dict[str, list[MessageType]] = {}
    for kind in kinds:
        channels.setdefault(kind.topic, []).append(kind)
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:klaster:{service}",
        "info": {
            "title": f"Klaster {service}",
            "version": version("klaster-shared"),
            "description": f"Messages that the {service} service of Klaster sends and receives, as CloudEvents 1.0 in Kafka's binary mode.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic, members) for topic, members in channels.items()},
        "operations": {**_operations("send", sent), **_operations("receive", received)},
        "components": {
            "messages": {_message_id(kind): _message(kind) for kind in kinds},
            "schemas": _schemas(kinds),
        },
    }


def _message_id(kind: MessageType) -> str:
    return f"{kind.schema_name}.v{kind.version}"


def _channel(topic: str, members: Iterable[MessageType]) -> dict[str, Any]:
    declared = TOPICS[topic]
    return {
        "address": topic,
        "description": f"Written by {declared.owner}; the key is {_key(topic)}.",
        "messages": {_message_id(kind): {"$ref": f"#/components/messages/{_message_id(kind)}"} for kind in members},
        "bindings": {"kafka": {"topic": topic, "partitions": declared.partitions, "bindingVersion": _KAFKA_BINDING}},
    }


def _key(topic: str) -> str:
    """The id of what keys the topic, in words."""
    key = TOPICS[topic].key
    return key if key.startswith("the ") else f"the id of the {key}, a UUID as text"


def _operations(action: str, kinds: Iterable[MessageType]) -> dict[str, Any]:
    """One operation per topic and direction."""
    by_topic: dict[str, list[MessageType]] = {}
    for kind in kinds:
        by_topic.setdefault(kind.topic, []).append(kind)
    return {
        f"{action}.{topic}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic}"},
            "messages": [{"$ref": f"#/channels/{topic}/messages/{_message_id(kind)}"} for kind in members],
        }
        for topic, members in by_topic.items()
    }


def _message(kind: MessageType) -> dict[str, Any]:
    described = (kind.model.__doc__ or "").strip()
    return {
        "name": kind.ce_type,
        "title": kind.name,
        **({"description": " ".join(described.split())} if described else {}),
        "contentType": "application/json",
        "headers": _headers(kind),
        "payload": {"$ref": f"#/components/schemas/{kind.model.__name__}"},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {"kafka": {"key": {"type": "string", "description": _key(kind.topic)}, "bindingVersion": _KAFKA_BINDING}},
        "examples": [{"name": kind.name, "payload": example_of(kind)}],
    }


def _headers(kind: MessageType) -> dict[str, Any]:
    """CloudEvents demands the first four; of our own messages every header is promised, but for the flow they may belong to."""
    own = kind.subject_field is not None
    required: dict[str, Any] = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid"} if own else {"type": "string", "minLength": 1},
        "ce_source": {"type": "string", "const": kind.ce_source} if own else {"type": "string", "pattern": f"^{kind.ce_source}"},
        "ce_type": {"type": "string", "const": kind.ce_type},
    }
    dataschema = {"ce_dataschema": {"type": "string", "const": kind.ce_dataschema}}
    content_type = {"content-type": {"type": "string", "const": "application/json"}}
    promised = [*required]
    if own:
        promised += ["ce_subject", "ce_partitionkey", "ce_time", "ce_recordedtime", "ce_sequence", "ce_dataschema", "content-type"]
    return {"type": "object", "required": promised, "properties": {**required, **_OPTIONAL_HEADERS, **dataschema, **content_type}}


def _schemas(kinds: Iterable[MessageType]) -> dict[str, Any]:
    """All payloads and their parts side by side: inside an AsyncAPI document a reference of a schema starts at the document's root."""
    _, schema = models_json_schema(
        [(kind.model, "validation") for kind in kinds],
        ref_template="#/components/schemas/{model}",
        schema_generator=WireSchema,
    )
    schemas: dict[str, Any] = schema.get("$defs", {})
    return schemas
