"""Letters from templates: one source per notice and language, written out as plain text and as HTML.

The one rule: both forms come from the same sentences. A notice says *paragraph* and *facts*; what these are in a form is the
form's own file (`templates/<form>/`), as is the frame around them, so the two can never say different things.
"""

import hashlib
import re
import textwrap
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from klaster_notifications.adapters.calendars import CalendarWriter
from klaster_notifications.adapters.wording import Wording, one_line
from klaster_notifications.application import queries
from klaster_notifications.domain.audiences import Cause
from klaster_notifications.domain.delivery import Edition
from klaster_notifications.domain.letters import Letter
from klaster_notifications.domain.recipients import Locale, Recipient
from klaster_notifications.domain.rules import RULES, Rule
from klaster_shared.errors import NotFound

LINE_WIDTH: Final = 76
VERSION_DIGITS: Final = 12
_FRAME: Final = "frame.j2"
_MACROS: Final = ("paragraph", "facts", "fact")
_LAYERS: Final = ("opening", "closing", "funding")
_SPACES: Final = re.compile(r"[ \t\n]+")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")


class Form(StrEnum):
    TEXT = "text"
    HTML = "html"


class TemplateLetters:
    """The ports `application.ports.Letters` and `application.queries.TemplateShelf`. All templates are read and compiled once, here."""

    def __init__(self, calendars: CalendarWriter) -> None:
        self._calendars = calendars
        channels = {rule.template: rule.channel for rule in RULES}
        environments = {(form, locale): _environment(form, locale) for form in Form for locale in Locale}
        self._compiled = {
            (name, form, locale): environment.get_template(_notice(name, locale))
            for (form, locale), environment in environments.items()
            for name in channels
        }
        source = environments[Form.TEXT, Locale.PL]
        self._shelf = {
            name: queries.Template(
                name=name,
                version=_version(source, name),
                channel=channel,
                sources={locale: _source(source, _notice(name, locale)) for locale in Locale},
            )
            for name, channel in sorted(channels.items())
        }

    def write(self, rule: Rule, cause: Cause, recipient: Recipient) -> Letter:
        """Raises jinja2.UndefinedError when the cause lacks what the template says; the message is then parked, and a human sees it."""
        told = {**_tidied(cause.particulars), "recipient_name": one_line(recipient.name)}
        text = self._compiled[rule.template, Form.TEXT, recipient.locale]
        html = self._compiled[rule.template, Form.HTML, recipient.locale]
        return Letter(
            template=Edition(rule.template, self._shelf[rule.template].version),
            subject=one_line("".join(text.blocks["subject"](text.new_context(_context(text, told))))),
            text=_EMPTY_LINES.sub("\n\n", text.render(_context(text, told))).strip() + "\n",
            html=html.render(_context(html, told)).strip() + "\n",
            calendar=None if rule.calendar is None else self._calendars.write(rule.calendar, cause, recipient),
        )

    def templates(self) -> Sequence[queries.Template]:
        return tuple(self._shelf.values())

    def template(self, name: str) -> queries.Template:
        if name not in self._shelf:
            raise NotFound("template", name)
        return self._shelf[name]


def _environment(form: Form, locale: Locale) -> Environment:
    environment = Environment(
        loader=PackageLoader("klaster_notifications", "templates"),
        undefined=StrictUndefined,
        autoescape=form is Form.HTML,  # noqa: S701 - plain text has nothing to escape; the HTML form is escaped throughout
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {**Wording(locale).filters(), "wrapped": _wrapped}
    environment.globals |= {"locale": locale.value, "frame": f"{form}/{_FRAME}"}
    macros = environment.get_template(f"{form}/macros.j2").module
    environment.globals |= {name: getattr(macros, name) for name in _MACROS}
    return environment


def _notice(name: str, locale: Locale) -> str:
    return f"{name}/{locale}.j2"


def _version(environment: Environment, name: str) -> str:
    """A hash of every file that can change what the template says."""
    files = [_notice(name, locale) for locale in Locale]
    files += [f"{layer}/{locale}.j2" for layer in _LAYERS for locale in Locale]
    files += [f"{form}/{part}" for form in Form for part in (_FRAME, "macros.j2")]
    content = "\0".join(f"{file}\0{_source(environment, file)}" for file in files)
    return hashlib.sha256(content.encode()).hexdigest()[:VERSION_DIGITS]


def _source(environment: Environment, file: str) -> str:
    if environment.loader is None:
        raise LookupError("the environment was made with a loader")
    return environment.loader.get_source(environment, file)[0]


def _context(template: Template, told: Mapping[str, Any]) -> dict[str, Any]:
    """Our own names win: a message may well have a field `locale` or `frame`."""
    return {**told, **template.globals}


def _tidied(value: Any) -> Any:
    """What others have written, each text on one line: a line break could pretend to be a paragraph of ours."""
    match value:
        case str():
            return one_line(value)
        case Mapping():
            return {name: _tidied(member) for name, member in value.items()}
        case list() | tuple():
            return [_tidied(member) for member in value]
        case _:
            return value


def _wrapped(text: str, indent: str = "") -> str:
    """Filled to the width of a mail's line; words and addresses are never cut, lines after the first begin with `indent`."""
    plain = _SPACES.sub(" ", text).strip()
    return textwrap.fill(plain, LINE_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
