"""A runbook page is read by somebody in a hurry: it has the same parts in the same order, and its commands work as they are written."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

PAGES = sorted((Path(__file__).parents[2] / "docs/runbooks").glob("*.md"))
PROCEDURES = sorted((Path(__file__).parents[2] / "docs/runbooks/procedures").glob("*.md"))
ALERT_PAGES = [page for page in PAGES if page.stem != "README"]
SECTIONS = ["What it means", "What users notice", "Look", "Mend", "Command"]


def commands_of(text: str) -> list[list[str]]:
    """The lines of code blocks that call `klaster`, as words; what is replaced by the reader is in capitals."""
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("klaster ")]


def complaint_about(words: list[str], root: Any) -> str | None:
    """Why the command line does not know these words; None when it does."""
    command, rest = root, list(words)
    while hasattr(command, "commands") and (rest or not command.invoke_without_command):
        name = rest.pop(0) if rest else ""
        if name not in command.commands:
            return f"`klaster {' '.join(words)}`: there is no {name!r}"
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts}
    unknown = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in options]
    if unknown:
        return f"`klaster {' '.join(words)}`: {command.name} has no {unknown[0]}"
    return None


@pytest.fixture(scope="module")
def klaster() -> Any:
    from klaster_local.commands.app import app

    return typer.main.get_command(app)


def test_every_page_is_of_an_alert(alerts: dict[str, Any]) -> None:
    assert {page.stem for page in ALERT_PAGES} == alerts.keys()


@pytest.mark.parametrize("page", ALERT_PAGES, ids=lambda page: page.stem)
def test_a_page_has_the_same_parts_as_all_others(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == SECTIONS
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    assert all(part.strip() for part in parts)
    assert commands_of(parts[SECTIONS.index("Command")]), "the last part is the command to begin with"


@pytest.mark.parametrize("page", PAGES + PROCEDURES, ids=lambda page: page.stem)
def test_its_commands_are_there(page: Path, klaster: Any) -> None:
    assert [complaint for words in commands_of(page.read_text()) if (complaint := complaint_about(words, klaster))] == []


@pytest.mark.parametrize("page", PAGES + PROCEDURES, ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("words", [["parked", "forget"], ["parked", "list", "--cause"]])
def test_a_command_that_is_not_there_is_found(words: list[str], klaster: Any) -> None:
    assert complaint_about(words, klaster) is not None
