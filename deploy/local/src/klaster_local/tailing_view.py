"""A message as one line for people, or as one JSON document for programs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.text import Text

from klaster_local.tailing import Seen
from klaster_shared.contracts.bodies import instant_text

STYLES: Final = {"partners": "blue", "events": "magenta", "budget": "green", "notifications": "cyan", "inbound": "yellow"}
SHORT: Final = 8
LONGEST_VALUE: Final = 40


def line_of(seen: Seen) -> Text:
    """Time, service, type, whose, number, and what the message says."""
    service = seen.topic.split(".")[1]
    style = STYLES.get(service, "")
    line = Text.assemble((f"{seen.logged_at.astimezone():%H:%M:%S.%f}"[:-3], "dim"), "  ", (f"{service:<13}", style), "  ", no_wrap=True)
    if seen.envelope is None:
        return line.append(f"not a message ({seen.size} bytes at {seen.partition}/{seen.offset}): {seen.problem}", "red")
    envelope = seen.envelope
    line.append(f"{seen.type:<21}", f"bold {style}").append("  ")
    line.append(_short(envelope.subject or envelope.id), "dim")
    line.append(f" #{envelope.sequence}  " if envelope.sequence is not None else "  ", "dim")
    if seen.problem:
        return line.append(seen.problem, "red")
    if seen.body is None:
        return line.append(f"of a type unknown here, {seen.size} bytes", "yellow")
    for name, value in _words(seen.body, subject=envelope.subject):
        line.append(f"{name}=", "dim").append(value).append(" ")
    return line


def document_of(seen: Seen) -> dict[str, Any]:
    """Attributes and body of a message, and where it lies."""
    place = {"topic": seen.topic, "partition": seen.partition, "offset": seen.offset, "logged_at": instant_text(seen.logged_at), "size": seen.size}
    if seen.envelope is None:
        return {**place, "problem": seen.problem}
    envelope = seen.envelope
    attributes = {
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "subject": envelope.subject,
        "time": instant_text(envelope.time),
        "sequence": envelope.sequence,
        "correlationid": envelope.correlation_id,
        "causationid": envelope.causation_id,
    }
    return {**place, **attributes, "data": seen.body, **({"problem": seen.problem} if seen.problem else {})}


def _words(body: Mapping[str, Any], *, subject: str | None) -> Iterator[tuple[str, str]]:
    """What fits a line: no empty fields, no id that is the subject, ids and long texts cut."""
    for name, value in body.items():
        if value in (None, [], "") or value == subject:
            continue
        yield name, _word(value)


def _word(value: Any) -> str:
    match value:
        case dict():
            return _object(value)
        case list():
            return "[" + ", ".join(map(_word, value)) + "]"
        case bool():
            return "yes" if value else "no"
        case str() if len(_short(value)) > LONGEST_VALUE:
            return value[:LONGEST_VALUE] + "…"
        case _:
            return _short(str(value))


def _object(value: Mapping[str, Any]) -> str:
    match value:
        case {"amount": amount, "currency": currency}:
            return f"{amount} {currency}"
        case {"line_code": line, "amount": amount}:
            return f"{line}:{_word(amount)}"
        case {"pl": _, "en": english}:
            return _word(english)
        case _:
            return "{" + " ".join(f"{name}={_word(each)}" for name, each in value.items() if each is not None) + "}"


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4  # noqa: PLR2004 - the shape of a UUID


def _short(text: str) -> str:
    """The end of a UUID: ids made in the same minute begin alike."""
    return text[-SHORT:] if _is_id(text) else text
