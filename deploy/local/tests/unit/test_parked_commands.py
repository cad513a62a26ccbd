"""`klaster parked` and `klaster outbox` against services that answer from memory: what is asked, what is shown, how it ends."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from klaster_local.commands import asking, parked
from klaster_local.commands.app import app
from klaster_local.configuration import SERVICES
from klaster_local.endpoints import Endpoint
from klaster_local.failures import CommandFailed, WrongUsage

type Row = dict[str, Any]


def a_row(number: int, **members: Any) -> Row:
    return {
        "id": number,
        "consumer": "budget.events",
        "type": "pl.lifescience.events.EventApproved.v1",
        "key": "01980000-0000-7000-8000-000000000001",
        "state": "held",
        "reason": "line-exceeded",
        "error": "LineExceeded: VISITS is short by 121500.00 PLN, and this sentence is much longer than a line can be",
    } | members


class Services:
    """Answers by path; everything that is asked is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, dict[str, str], Any]] = []
        self.answers: dict[tuple[str, str], Callable[[Any], Any]] = {}
        self.empty: dict[str, Any] = {
            "/admin/parked": {"items": [], "next": None},
            "/admin/acts": {"items": [], "next": None},
            "/admin/outbox": {"pending": 0, "dead": 0, "oldest": None, "scheduled": 0, "next_due": None, "items": [], "next": None},
            "/admin/parked/retry": {"touched": [], "waiting": 0, "next": None},
            "/admin/parked/skip": {"touched": [], "waiting": 0, "next": None},
            "/admin/parked/export": b"",
        }

    def answer(self, service: str, path: str, document: Any) -> None:
        """`document`, or what it makes of the request's body or query."""
        self.answers[service, path] = document if callable(document) else lambda _: document

    def called(self, service: str) -> list[tuple[str, Any]]:
        """Path and body of each POST."""
        return [(path, body) for name, method, path, _, body in self.asked if (name, method) == (service, "POST")]

    def handle(self, service: str, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        path = request.url.path
        self.asked.append((service, request.method, path, dict(request.url.params), body))
        made = self.answers.get((service, path))
        found = self.empty.get(path) if made is None else made(body or dict(request.url.params))
        if found is None:
            return httpx.Response(404, json={"type": "/problems/not-found", "detail": "No parked message."})
        return httpx.Response(200, content=found) if isinstance(found, bytes) else httpx.Response(200, json=found)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    made = Services()

    @asynccontextmanager
    async def endpoints(_configuration: object) -> AsyncIterator[dict[str, Endpoint]]:
        yield {
            name: Endpoint(
                name,
                httpx.AsyncClient(base_url="http://x", transport=httpx.MockTransport(lambda request, name=name: made.handle(name, request))),
            )
            for name in SERVICES
        }

    monkeypatch.setattr(asking, "endpoints", endpoints)
    return made


@pytest.fixture
def klaster(services: Services) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return run


def test_each_message_has_one_line_on_eighty_columns(services: Services, klaster: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [a_row(1), a_row(123456, type=None, key=None), a_row(3, key="k" * 300, type="t" * 300, reason="r" * 100, consumer="budget." + "c" * 90)]
    services.answer("budget", "/admin/parked", {"items": rows, "next": None})
    monkeypatch.setattr("klaster_local.commands.output.WIDTH_OF_A_PIPE", 80)
    lines = klaster("parked", "list").stdout.rstrip().splitlines()
    assert [line.split()[0] for line in lines] == ["id", "budget:1", "budget:123456", "budget:3"]
    assert max(map(len, lines)) <= 80
    assert "EventApproved" in lines[1]
    assert "line-exceeded" in lines[1]


def test_a_consumers_name_decides_which_service_is_asked(services: Services, klaster: Callable[..., Result]) -> None:
    assert (
        klaster(
            "parked", "list", "--consumer", "budget.events", "--reason", "x", "--type", "EventApproved", "--since", "2026-11-23T10:00:00Z"
        ).exit_code
        == 0
    )
    assert [(name, query) for name, _, _, query, _ in services.asked] == [
        ("budget", {"consumer": "budget.events", "reason": "x", "type": "EventApproved", "since": "2026-11-23T10:00:00+00:00", "limit": "200"})
    ]


def test_nothing_parked_is_said_in_words_and_is_an_empty_list_for_programs(klaster: Callable[..., Result]) -> None:
    assert klaster("parked", "list").stdout == "Nothing is parked.\n"
    assert klaster("parked", "list", "--key", "k").stdout == "Nothing that is parked is like that.\n"
    assert json.loads(klaster("parked", "list", "--json").stdout) == []


@pytest.mark.parametrize("given", ["yesterday", "2x", "2026-13-01"])
def test_a_time_that_is_none_is_wrong_usage(klaster: Callable[..., Result], given: str) -> None:
    assert isinstance(klaster("parked", "list", "--since", given).exception, WrongUsage)


def test_many_are_retried_page_by_page_and_counted(services: Services, klaster: Callable[..., Result]) -> None:
    pages = {0: {"touched": [1, 2], "waiting": 1, "next": 2}, 2: {"touched": [5], "waiting": 0, "next": None}}
    services.answer("budget", "/admin/parked/retry", lambda body: pages[body["cursor"]])
    done = klaster("parked", "retry", "--parked-reason", "rate-missing", "--reason", "the rate is there")
    assert done.stdout == "3 messages were retried. 1 more waits behind another of the same key and is not touched.\n"
    assert [body["cursor"] for _, body in services.called("budget")] == [0, 2]
    assert services.called("budget")[0][1] | {"cursor": 0} == {
        "wanted": {"reason": "rate-missing"},
        "reason": "the rate is there",
        "dry_run": False,
        "cursor": 0,
        "limit": parked.HEADS_AT_ONCE,
    }


def test_a_dry_run_says_what_would_be_done(services: Services, klaster: Callable[..., Result]) -> None:
    services.answer("budget", "/admin/parked/retry", {"touched": [1], "waiting": 0, "next": None})
    assert klaster("parked", "retry", "--all", "--dry-run").stdout == "1 message would be retried.\n"
    assert json.loads(klaster("parked", "retry", "--all", "--dry-run", "--json").stdout) == {
        "dry_run": True,
        "touched": ["budget:1"],
        "waiting": 0,
    }


@pytest.mark.parametrize("arguments", [("retry",), ("skip", "--reason", "x"), ("retry", "budget:1", "--all"), ("retry", "budget:1", "--key", "k")])
def test_which_messages_are_meant_has_to_be_said_once(services: Services, klaster: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    assert isinstance(klaster("parked", *arguments).exception, WrongUsage)
    assert services.asked == []


def test_giving_many_up_has_to_be_meant(services: Services, klaster: Callable[..., Result]) -> None:
    services.answer("budget", "/admin/parked/skip", {"touched": [1, 2], "waiting": 0, "next": None})
    assert isinstance(klaster("parked", "skip", "--key", "k", "--reason", "x").exception, WrongUsage)
    assert {body["dry_run"] for _, body in services.called("budget")} == {True}
    done = klaster("parked", "skip", "--key", "k", "--reason", "x", "--yes")
    assert done.stdout == "2 messages were given up.\n"
    assert services.called("budget")[-1][1]["dry_run"] is False


def test_who_says_no_at_the_prompt_has_done_nothing(services: Services, klaster: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "is_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert isinstance(klaster("parked", "skip", "budget:1", "--reason", "x").exception, CommandFailed)
    assert services.asked == []


def test_one_is_given_up_by_a_script_that_names_it_and_the_reason(services: Services, klaster: Callable[..., Result]) -> None:
    services.answer("budget", "/admin/parked/1/skip", a_row(1))
    assert klaster("parked", "skip", "budget:1", "--reason", "agreed").exit_code == 0
    assert services.called("budget") == [("/admin/parked/1/skip", {"reason": "agreed"})]


def test_what_a_service_refuses_is_a_failure_with_its_reason(klaster: Callable[..., Result]) -> None:
    failure = klaster("parked", "show", "budget:99").exception
    assert isinstance(failure, CommandFailed)
    assert not isinstance(failure, WrongUsage)
    assert "not-found" in str(failure)


def test_an_edit_sends_the_text_of_the_file(services: Services, klaster: Callable[..., Result], tmp_path: Path) -> None:
    services.answer("budget", "/admin/parked/1/edit", a_row(1, state="due"))
    (tmp_path / "value.json").write_text('{"a": "ż"}', encoding="utf-8")
    assert klaster("parked", "edit", "budget:1", str(tmp_path / "value.json"), "--reason", "misspelt").exit_code == 0
    assert services.called("budget") == [("/admin/parked/1/edit", {"value": '{"a": "ż"}', "reason": "misspelt"})]


def test_an_export_has_to_be_meant(services: Services, klaster: Callable[..., Result]) -> None:
    assert isinstance(klaster("parked", "export").exception, WrongUsage)
    assert services.asked == []


def a_line(number: int, consumer: str = "budget.events", size: int = 10) -> bytes:
    members = {"topic": "t", "partition": 0, "offset": number, "logged_at": "2026-11-23T10:00:00Z", "key_base64": None, "headers": []}
    return json.dumps(a_row(number, **members, consumer=consumer, value_base64="A" * size)).encode() + b"\n"


def test_what_was_exported_is_only_for_its_owner_and_never_overwrites(services: Services, klaster: Callable[..., Result], tmp_path: Path) -> None:
    services.answer("budget", "/admin/parked/export", a_line(1) + a_line(2))
    file = tmp_path / "parked.jsonl"
    done = klaster("parked", "export", "--payload", "--to", str(file))
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (a_line(1) + a_line(2), 0o600)
    assert "2 messages in" in done.stdout
    assert isinstance(klaster("parked", "export", "--payload", "--to", str(file)).exception, WrongUsage)


def test_an_import_goes_to_the_services_of_its_lines_in_their_order(services: Services, klaster: Callable[..., Result], tmp_path: Path) -> None:
    for service in ("budget", "notifications"):
        services.answer(service, "/admin/parked/import", lambda body: {"parked": len(body["lines"]), "already_parked": 0, "already_applied": 0})
    file = tmp_path / "parked.jsonl"
    file.write_bytes(a_line(1) + a_line(2) + b"\n" + a_line(3, "notifications.events") + a_line(4, size=2_000_000) + a_line(5))
    done = klaster("parked", "import", str(file), "--reason", "skipped by mistake")
    assert [[line["offset"] for line in body["lines"]] for _, body in services.called("budget")] == [[1, 2], [5]]
    assert [[line["offset"] for line in body["lines"]] for _, body in services.called("notifications")] == [[3]]
    assert done.stdout == "4 messages were parked; 0 parked already, 0 applied already.\n"
    assert isinstance(done.exception, CommandFailed)
    assert "line 5" in str(done.exception)


@pytest.mark.parametrize("text", ["{}", "not json", "[]"])
def test_a_file_that_is_no_export_is_wrong_usage_before_anything_is_sent(
    services: Services, klaster: Callable[..., Result], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "parked.jsonl"
    file.write_bytes(a_line(1) + text.encode())
    refused = klaster("parked", "import", str(file), "--reason", "x").exception
    assert isinstance(refused, WrongUsage)
    assert "Line 2" in str(refused)
    assert services.asked == []


def test_the_acts_of_all_services_are_one_list_the_newest_first(services: Services, klaster: Callable[..., Result]) -> None:
    act = {"id": 1, "actor": "anna", "action": "skip", "consumer": "budget.events", "subject": "t/0 at 7", "message_id": None, "reason": "agreed"}
    services.answer("budget", "/admin/acts", {"items": [act | {"at": "2026-11-23T10:00:00Z"}], "next": None})
    services.answer(
        "events", "/admin/acts", {"items": [act | {"at": "2026-11-23T11:00:00Z", "action": "requeue", "consumer": "outbox"}], "next": None}
    )
    shown = klaster("parked", "audit").stdout
    assert shown.index("requeue") < shown.index("skip")
    assert "events outbox" in shown
    assert [act["service"] for act in json.loads(klaster("parked", "audit", "--json").stdout)] == ["events", "budget"]


def test_nobody_having_done_anything_is_said(klaster: Callable[..., Result]) -> None:
    assert klaster("parked", "audit").stdout == "Nobody has done anything yet.\n"
    assert klaster("parked", "audit", "--action", "skip").stdout == "Nobody has done anything like that.\n"


def an_outbox_row(number: int, *, dead: bool) -> Row:
    return {
        "id": number,
        "type": "pl.lifescience.events.EventDrafted.v1",
        "key": "k",
        "recorded_at": "2026-11-23T10:00:00Z",
        "attempts": 3 if dead else 0,
        "dead": dead,
        "error": "MessageSizeTooLargeError" if dead else None,
    }


def test_the_outbox_shows_its_dead_rows_and_the_way_out(services: Services, klaster: Callable[..., Result]) -> None:
    counts = {"pending": 1, "dead": 1, "oldest": "2026-11-23T10:00:00Z", "scheduled": 2, "next_due": "2026-11-23T12:00:00Z", "next": None}
    services.answer("events", "/admin/outbox", lambda asked: counts | {"items": [an_outbox_row(7, dead=asked["dead"] == "true")]})
    shown = klaster("outbox").stdout
    dead, waiting = shown[shown.index("Dead") : shown.index("Waiting")], shown[shown.index("Waiting") :]
    assert "klaster outbox requeue" in dead
    assert "MessageSizeTooLargeError" in dead
    assert waiting.count("events:7") == 1
    assert "scheduled" in shown


def test_a_dead_row_is_put_back_by_name_or_all_are(services: Services, klaster: Callable[..., Result]) -> None:
    services.answer("events", "/admin/outbox", {"items": [an_outbox_row(7, dead=True)], "next": None})
    services.answer("events", "/admin/outbox/7/requeue", an_outbox_row(7, dead=False))
    assert klaster("outbox", "requeue", "events:7", "--reason", "limit raised").exit_code == 0
    assert klaster("outbox", "requeue", "--all").stdout == "1 dead row was put back.\n"
    assert services.called("events") == [("/admin/outbox/7/requeue", {"reason": "limit raised"}), ("/admin/outbox/7/requeue", None)]


@pytest.mark.parametrize("arguments", [(), ("events:7", "--all"), ("7",)])
def test_which_row_is_put_back_has_to_be_said(klaster: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    assert isinstance(klaster("outbox", "requeue", *arguments).exception, WrongUsage)
