"""What a reviewer would say twice. Each rule is a function from a module's text to complaints, and each is shown to complain.

The way out of a size limit is a smaller module or function with a telling name; the way out of a name is a better name.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60
SAYS_NOTHING = {"utils", "helpers", "common", "misc", "manager", "core", "data", "info"}
SERVICES = ("partners", "events", "budget", "notifications")

Rule = Callable[[Path, str], Iterator[str]]


def modules() -> list[Path]:
    return [p for folder in ("shared", "services", "deploy", "tests") for p in sorted((ROOT / folder).rglob("*.py"))]


def sources() -> list[Path]:
    return [p for p in modules() if "src" in p.parts]


def module_is_short(path: Path, text: str) -> Iterator[str]:
    if text.count("\n") > LONGEST_MODULE:
        yield f"{path}: {text.count(chr(10))} lines; {LONGEST_MODULE} is the limit"


def functions_are_short(path: Path, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
            yield f"{path}:{node.lineno}: {node.name} has {(node.end_lineno or 0) - node.lineno + 1} lines; {LONGEST_FUNCTION} is the limit"


def name_says_something(path: Path, _text: str) -> Iterator[str]:
    for part in path.with_suffix("").parts:
        if part in SAYS_NOTHING:
            yield f"{path}: `{part}` says nothing"


def sleeps_are_not_waiting(path: Path, text: str) -> Iterator[str]:
    """A fixed sleep in a test is slow when it passes and wrong when it fails: poll the condition with `eventually`."""
    for node in ast.walk(ast.parse(text)) if "tests" in path.parts else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
            yield f"{path}:{node.lineno}: time.sleep in a test; use klaster_shared.testing.waiting"


def the_environment_is_read_in_settings(path: Path, text: str) -> Iterator[str]:
    """A variable read elsewhere is in no list, has no error message, and shows up in production first."""
    if "services" in path.parts and "src" in path.parts and path.name != "settings.py" and re.search(r"\bos\.(environ|getenv)\b", text):
        yield f"{path}: reads the environment; only settings.py does"


def the_relay_is_the_only_producer(path: Path, text: str) -> Iterator[str]:
    """A message sent past the outbox is lost or invented by the next crash between commit and send."""
    producers = re.search(r"\bAIOKafkaProducer\b|\.publish_batch\(|broker\.publish\(|\.publisher\(", text)
    if "src" in path.parts and "testing" not in path.parts and producers and path.parts[-2:] != ("outbox", "publisher.py"):
        yield f"{path}: sends to Kafka past the outbox"


def subscribing_is_written_once(path: Path, text: str) -> Iterator[str]:
    """FastStream's defaults are at-most-once, latest offset and no group; the one subscriber there is overrules them all."""
    if "src" in path.parts and ".subscriber(" in text:
        if path.parts[-2:] != ("consuming", "consumer.py"):
            yield f"{path}: subscribes by itself; declare a Consumer"
        for needed in ("group_id=", "AckPolicy.MANUAL", 'auto_offset_reset="earliest"', "parser=", "decoder=", "listener="):
            if needed not in text:
                yield f"{path}: the subscriber does not say {needed}"


RULES: dict[Rule, tuple[str, str]] = {
    module_is_short: ("shared/src/a/b.py", "x = 1\n" * 401),
    functions_are_short: ("shared/src/a/b.py", "def f():\n" + "    x = 1\n" * 60),
    name_says_something: ("shared/src/a/utils.py", ""),
    sleeps_are_not_waiting: ("shared/tests/test_a.py", "time.sleep(1)"),
    the_environment_is_read_in_settings: ("services/a/src/a/app.py", "os.environ['X']"),
    the_relay_is_the_only_producer: ("services/a/src/a/app.py", "AIOKafkaProducer()"),
    subscribing_is_written_once: ("shared/src/a/consuming/consumer.py", "broker.subscriber('t')"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule) -> None:
    complaints = [c for path in modules() for c in rule(path.relative_to(ROOT), path.read_text(encoding="utf-8"))]
    assert complaints == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_complains_about_a_planted_violation(rule: Rule) -> None:
    path, text = RULES[rule]
    assert list(rule(Path(path), text))


@pytest.mark.parametrize("role", ["__main__.py", "app.py", "bootstrap.py", "settings.py", "metrics.py", "testing.py", "py.typed"])
@pytest.mark.parametrize("service", SERVICES)
def test_the_same_role_has_the_same_file_name_in_every_service(service: str, role: str) -> None:
    assert (ROOT / "services" / service / "src" / f"klaster_{service}" / role).is_file()
