"""Letters from templates: one source per notice and language, written out as plain text and as HTML.

The one rule: both forms come from the same sentences. A notice says *paragraph* and *facts*; what these are in a form is the
form's own file (`templates/<form>/`), as is the frame around them, so the two can never say different things.
"""

import hashlib
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from klaster_notifications.adapters.calendars import CalendarWriter
from klaster_notifications.adapters.wording import Wording, one_line
from klaster_notifications.application import queries
from klaster_notifications.domain.audiences import Cause
from klaster_notifications.domain.delivery import Edition
from klaster_notifications.domain.letters import Letter
from klaster_notifications.domain.recipients import Locale, Recipient
from klaster_notifications.domain.rules import RULES, Channel, Rule
from klaster_shared.errors import NotFound

PACKAGE: Final = "klaster_notifications"
LINE_WIDTH: Final = 76
VERSION_DIGITS: Final = 12
_MACROS: Final = ("paragraph", "facts")
_SPACES: Final = re.compile(r"[ \t\n]+")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")


class Form(StrEnum):
    TEXT = "text"
    HTML = "html"


class TemplateLetters:
    """The ports `application.ports.Letters` and `application.queries.TemplateShelf`. All templates are read and compiled once, here."""

    def __init__(self, calendars: CalendarWriter) -> None:
        self._calendars = calendars
        self._environments = {(form, locale): _environment(form, locale) for form in Form for locale in Locale}
        names = sorted({rule.template for rule in RULES})
        self._shelf = {name: self._shelved(name) for name in names}
        self._compiled = {(name, *key): environment.get_template(_source(name, key[1])) for key, environment in self._environments.items() for name in names}

    def write(self, rule: Rule, cause: Cause, recipient: Recipient) -> Letter:
        """Raises jinja2.UndefinedError when the cause lacks what the template says; the message is then parked, and a human sees it."""
        told = {**cause.particulars, "recipient": {"name": one_line(recipient.name)}}
        text = self._compiled[rule.template, Form.TEXT, recipient.locale]
        html = self._compiled[rule.template, Form.HTML, recipient.locale]
        return Letter(
            template=Edition(rule.template, self._shelf[rule.template].version),
            subject=one_line(_block(text, "subject", told)),
            text=_EMPTY_LINES.sub("\n\n", text.render(told)).strip() + "\n",
            html=html.render(told).strip() + "\n",
            calendar=None if rule.calendar is None else self._calendars.write(rule.calendar, cause, recipient),
        )

    def templates(self) -> Iterable[queries.Template]:
        return tuple(self._shelf.values())

    def template(self, name: str) -> queries.Template:
        if name not in self._shelf:
            raise NotFound("template", name)
        return self._shelf[name]
