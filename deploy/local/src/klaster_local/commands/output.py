"""Where output goes: results to standard output, everything else to standard error, so that a pipe gets results alone."""

import sys
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic_core import to_json
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON document on standard output.")]


def results() -> Console:
    return Console(highlight=False)


def progress(*, json: bool) -> Console:
    """Beside results for people it is part of the reading; beside JSON it is not."""
    return Console(highlight=False, stderr=json)


def print_json(document: BaseModel | Any) -> None:
    sys.stdout.write(to_json(document, indent=2).decode() + "\n")
