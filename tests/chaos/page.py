"""Writes docs/reliability.md from docs/reliability.json: the fault table with the figures of the newest long run of each row.

The one rule: no figure in the page comes from anywhere else than the record, and the same record makes the same page, letter for letter.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.chaos.engines import ROOT
from tests.chaos.results import CATEGORIES, Record
from tests.chaos.rows import ROWS

PAGE: Final = ROOT / "docs" / "reliability.md"
RECORD: Final = ROOT / "docs" / "reliability.json"

OPENING: Final = """\
# Reliability under faults

This page is written by the chaos suite (`make chaos`, then `make reliability`) from `docs/reliability.json`; nobody types into it.
What is promised, and with which limits, stands in [guarantees](architecture/guarantees.md).

Each row does one kind of fault to real processes, a real Kafka and a real PostgreSQL while clients send commands at a fixed rate, whatever
becomes of the earlier ones. *Reached* counts the injections that were proved to have happened where they were meant to. When everything
has settled, a verifier that shares no code with the services compares a ledger of all answers that clients were given with databases, log
and mails. **Lost**: something acknowledged or committed has no effect. **Twice**: an effect happened twice. **Out of order**: within one
key. **Stuck**: something waits that should not. **Unexplained**: something is there that nothing caused. All five must be 0.
"""
I_WORDS: Final = """\
I1 every acknowledged command has exactly one effect · I2 every committed message is published, and applied once per consumer · I3 order per
key · I4 no message without a committed change · I5 recovers without a human · I6 bad input never blocks good input · I7 money and seats are
conserved · I9 memory is bounded
"""
SAME_FAULTS: Final = {"kill": "F3", "poison": "F14", "rebalance": "F19"}
PEERS_WORDS: Final = """\
The same kinds of faults, done to small services written as each project's own documentation shows, and judged by the same categories: every
command that was acknowledged must have exactly one effect, and effects of one key must come in the order of the commands. How they were
configured can be read in `tests/chaos/peers/`.
"""


def write_page(record: Record, page: Path) -> None:
    page.write_text(page_of(record), encoding="utf-8")


def page_of(record: Record) -> str:
    parts = [OPENING, _machine(record.machine), "## The fault table\n", I_WORDS, _table(record), *_details(record), *_peers(record)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def _machine(machine: Mapping[str, Any]) -> str:
    if not machine:
        return "No long run has been kept yet.\n"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"Machine: {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}. {versions}. "
        "Engines, services, load and verifier share the machine.\n"
    )


def _table(record: Record) -> str:
    head = ["row", "fault", "invariants", "injected", "reached", *("lost", "twice", "out of order", "stuck", "unexplained"), "own checks", "length"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in ROWS:
        found = record.rows.get(row.id)
        if found is None:
            lines.append(_line([row.id, row.words, " ".join(row.invariants), *["-"] * 8, "not run yet"]))
            continue
        checks = found["checks"]
        kept = f"{sum(checks.values())} of {len(checks)}"
        verdict = [str(found["verdict"][category]) for category in CATEGORIES]
        counted = [f"{found['injections']:,}", f"{found['reached']:,}"]
        lines.append(_line([row.id, found["fault"], " ".join(row.invariants), *counted, *verdict, kept, _length(found["seconds"])]))
    return "\n".join(lines)


def _details(record: Record) -> Iterator[str]:
    for row in ROWS:
        found = record.rows.get(row.id)
        if found is None:
            continue
        yield f"## {row.id}: {found['fault']}\n"
        load = ", ".join(f"{_figure(value)} {name}" for name, value in found["load"].items())
        yield f"Run of {found['began']}, {_length(found['seconds'])}, seed {found['seed']}, commit {found['commit']}. Load: {load}.\n"
        yield "\n".join(
            [_line(["figure", "value"]), _line(["---", "---:"]), *(_line([name, _figure(value)]) for name, value in found["figures"].items())]
        )
        broken = [name for name, kept in found["checks"].items() if not kept]
        if broken or not found["passed"]:
            yield "\n".join(["**Not kept:**", *(f"- {each}" for each in [*broken, *found["findings"]])]) + "\n"
        yield "Checked: " + "; ".join(name for name, kept in found["checks"].items() if kept) + ".\n"


def _peers(record: Record) -> Iterator[str]:
    yield "## Others, under the same faults\n"
    yield PEERS_WORDS
    if not record.peers:
        yield "No run has been kept yet.\n"
        return
    head = ["fault", "what", "version", "injected", "messages", "lost", "twice", "out of order", "stuck", "seed", "remark"]
    found = sorted([*_ours(record), *record.peers.values()], key=lambda each: (each["fault"], each["peer"]))
    yield "\n".join([_line(head), _line(["---"] * len(head)), *(_peer_line(each) for each in found)])


def _ours(record: Record) -> Iterator[Mapping[str, Any]]:
    """Klaster's rows of the same faults, in the form of a peer's."""
    for fault, row in SAME_FAULTS.items():
        if (found := record.rows.get(row)) is not None:
            verdict = {name: found["verdict"][name] for name in CATEGORIES}
            told = {"peer": "Klaster", "version": found["commit"], "fault": fault, "remark": f"row {row}"}
            yield {**told, **verdict, "injections": found["injections"], "messages": found["load"]["messages looked at"], "seed": found["seed"]}


def _peer_line(found: Mapping[str, Any]) -> str:
    figures = [f"{found[name]:,}" for name in ("injections", "messages", "lost", "duplicated", "reordered", "stuck")]
    return _line([found["fault"], found["peer"], found["version"], *figures, str(found["seed"]), found["remark"]])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _figure(value: float | str) -> str:
    return f"{value:,}" if isinstance(value, int | float) else value


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
