"""Where output goes: results to standard output, everything else to standard error, so that a pipe gets results alone."""

import sys
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel
from pydantic_core import to_json
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on standard output.")]


WIDTH_OF_A_PIPE: Final = 150
"""Columns where there is no terminal to ask: wide enough for every table."""


def results() -> Console:
    return _console(stderr=False)


def progress(*, json: bool) -> Console:
    """Beside results for people it is part of the reading; beside JSON it is not."""
    return _console(stderr=json)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(highlight=False, stderr=stderr, width=None if stream.isatty() else WIDTH_OF_A_PIPE)


def print_json(document: BaseModel | Any) -> None:
    sys.stdout.write(to_json(document, indent=2).decode() + "\n")
