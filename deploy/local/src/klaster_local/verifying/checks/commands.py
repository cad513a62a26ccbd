"""The ledger of commands against what has become of them: each one acknowledged is there, once, and nothing is there that nobody asked for."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from klaster_local.verifying.expectations import AGGREGATES, INBOUND
from klaster_local.verifying.findings import Category, Finding
from klaster_local.verifying.ledger import CREATED, Command
from klaster_local.verifying.log import Message
from klaster_local.verifying.look import Look

SILENT: Final = "/v1/rates"
"""Rates are immutable rows without a message."""
UNVERSIONED: Final = {"partners": "contact", "budget": "rate"}
"""Made by commands, with no version of their own."""


def acknowledged_commands_are_there(look: Look) -> Iterator[Finding]:
    versions = _versions(look)
    for command in _http(look):
        if not command.acknowledged or command.resource is None:
            continue
        version = versions.get((command.service, command.resource))
        if version is None:
            yield _finding(Category.LOST, "acknowledged-missing", command, f"answered {command.status} with {command.resource}, which is not there")
        elif version and command.version is not None and version < command.version:
            yield _finding(Category.LOST, "acknowledged-undone", command, f"answered with version {command.version}; there is {version}")


def acknowledged_commands_have_messages(look: Look) -> Iterator[Finding]:
    said = _flows(look)
    if not _flows_are_known(look, said):
        return
    for command in _http(look):
        if command.acknowledged and not command.path.startswith(SILENT) and not said[command.key]:
            yield _finding(Category.LOST, "acknowledged-without-message", command, "no message carries its key as its flow")


def commands_happen_once(look: Look) -> Iterator[Finding]:
    """Under one Idempotency-Key one thing is made, and each step is done once; refused, none."""
    said = _flows(look)
    for command in _http(look):
        direct = [message for message in said[command.key] if message.causation not in look.log.by_ce_id]
        if command.refused and direct:
            yield _finding(Category.UNEXPLAINED, "refused-with-effect", command, f"{direct[0].type}, {direct[0].at}")
        made = {message.key for message in direct if message.sequence == 1}
        steps = Counter((message.type, message.key) for message in direct)
        if len(made) > 1 or any(number > 1 for number in steps.values()):
            names = ", ".join(sorted(str(message.type) for message in direct))
            yield _finding(Category.DUPLICATED, "command-twice", command, f"set off {names}, for {len({m.key for m in direct})} keys")
    resources: dict[str, set[UUID]] = defaultdict(set)
    for command in _http(look):
        if command.status == CREATED and command.resource is not None:
            resources[command.key].add(command.resource)
    for key, answered in resources.items():
        if len(answered) > 1:
            yield Finding(
                category=Category.DUPLICATED, check="key-answered-twice", place="commands", subject=f"key {key}", detail=f"{len(answered)} resources"
            )


def invoices_are_declared(look: Look) -> Iterator[Finding]:
    declared = {message.causation for message in look.said("budget.expenditure.v1")}
    there = {message.ce_id for message in look.log.records.get(INBOUND, ())}
    for command in look.commands or ():
        if command.is_http or not command.acknowledged:
            continue
        if command.service == "accounting" and command.key not in there:
            yield _finding(Category.LOST, "published-missing", command, "acknowledged by the broker, and not in the log")
        elif command.answer.get("expect") == "declared" and command.key not in declared:
            yield _finding(Category.LOST, "invoice-not-declared", command, "no expenditure has it as its cause")


def flows_have_begun_somewhere(look: Look) -> Iterator[Finding]:
    """Every message belongs to a flow that a line of the ledger began."""
    said = _flows(look)
    if not _flows_are_known(look, said):
        return
    begun = {command.key for command in look.commands or ()}
    for flow, messages in said.items():
        if flow not in begun:
            detail = f"{len(messages)} messages, the first {messages[0].type}, {messages[0].at}"
            yield Finding(category=Category.UNEXPLAINED, check="flow-nobody-began", place=messages[0].topic, subject=f"flow {flow}", detail=detail)


def _http(look: Look) -> Sequence[Command]:
    return [command for command in look.commands or () if command.is_http]


def _flows(look: Look) -> Mapping[str, list[Message]]:
    """Each message once, by the flow it belongs to. A stranger's that names none begins one with its id."""
    found: dict[str, list[Message]] = defaultdict(list)
    for topic, lives in look.sequences.items():
        if topic != INBOUND and look.commands is not None:
            for life in lives.values():
                for message in life.values():
                    found[message.correlation or message.ce_id or ""].append(message)
    return found


def _flows_are_known(look: Look, said: Mapping[str, list[Message]]) -> bool:
    """Whether those who sent the commands sent their keys as correlation ids, too."""
    return any(command.key in said for command in _http(look))


def _versions(look: Look) -> Mapping[tuple[str, UUID], int]:
    """Of everything that commands make; 0 for what has no version of its own."""
    known = {(kind.service, row["id"]): row["version"] for kind in AGGREGATES for row in look.before[kind.service][kind.table]}
    loose = {(service, row["id"]): 0 for service, table in UNVERSIONED.items() for row in look.before[service][table]}
    return known | loose


def _finding(category: Category, check: str, command: Command, detail: str) -> Finding:
    return Finding(category=category, check=check, place=command.service, subject=command.name, detail=detail)
