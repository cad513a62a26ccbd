import json
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import APIRouter
from structlog.testing import capture_logs

from klaster_shared.db.engine import DatabaseAway
from klaster_shared.errors import Invalid, Kind, KlasterError, NotFound, Refused, StaleVersion, TooLarge, Unavailable
from klaster_shared.money import Money
from klaster_shared.web.problem_pages import documented_problems
from klaster_shared.web.problems import STATUS_OF, problem, status_of, translated
from klaster_shared.web.protocol import IfMatchRequired, Misread

type Connect = Callable[..., httpx.AsyncClient]


class GateShut(Refused):
    """The gate is shut at night. Come back in the morning <b>please</b>."""

    slug = "gate-shut"

    def __init__(self) -> None:
        super().__init__("The gate is shut.", state="shut", short_by=Money(Decimal(5), "PLN"), until=None)


def failing_with(error: Exception) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/fail/{id}")
    async def fail(id: UUID) -> None:  # noqa: A002 - the path's own word
        raise error

    return router


async def document_of(connect: Connect, error: Exception) -> tuple[httpx.Response, dict[str, object]]:
    answer = await connect(failing_with(error)).get(f"/v1/fail/{UUID(int=1)}")
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer, answer.json()


def test_every_kind_has_a_status() -> None:
    assert set(STATUS_OF) == set(Kind)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("grant", 1), 404),
        (GateShut(), 409),
        (Invalid("amount", "above zero"), 422),
        (StaleVersion("event", 1), 412),
        (TooLarge("EventDrafted", 2, 1), 422),
        (Unavailable("Not now."), 503),
        (IfMatchRequired(), 428),
    ],
)
def test_the_kind_decides_the_status(error: KlasterError, status: int) -> None:
    assert status_of(error) == status


async def test_a_refusal_carries_type_title_status_detail_instance_and_its_fields(connect: Connect) -> None:
    answer, document = await document_of(connect, GateShut())
    request = str(document.pop("instance")).removeprefix("urn:uuid:")
    assert document == {
        "type": "/problems/gate-shut",
        "title": "Gate shut",
        "status": 409,
        "detail": "The gate is shut.",
        "state": "shut",
        "short_by": {"amount": "5.00", "currency": "PLN"},
    }
    assert answer.status_code == 409
    assert str(UUID(request)) == request


def test_a_field_of_an_error_cannot_replace_a_member_of_the_standard() -> None:
    error = Refused("No.", status="shut", title="x")
    assert json.loads(bytes(problem(error).body))["status"] == 409


async def test_what_is_away_says_when_to_come_back(connect: Connect) -> None:
    answer, _ = await document_of(connect, Unavailable("Not now.", retry_after=7))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


async def test_an_unforeseen_failure_says_nothing_and_is_logged_without_its_text(connect: Connect) -> None:
    with capture_logs() as logs:
        answer, document = await document_of(connect, RuntimeError("password=hunter2"))
    assert (answer.status_code, document["type"]) == (500, "/problems/internal-failure")
    (line,) = logs
    assert (line["error"], line["route"], line["log_level"]) == ("RuntimeError", "/v1/fail/{id}", "error")
    assert "hunter2" not in f"{answer.text}{logs}"


@pytest.mark.parametrize(
    ("error", "slug"),
    [
        (asyncpg.DeadlockDetectedError("x"), "busy"),
        (asyncpg.SerializationError("x"), "busy"),
        (asyncpg.ConnectionDoesNotExistError("x"), "database-trouble"),
        (ConnectionResetError("x"), "database-trouble"),
        (TimeoutError("x"), "database-trouble"),
        (DatabaseAway("x"), "database-away"),
        (asyncpg.UndefinedTableError("x"), "schema-behind"),
        (asyncpg.UndefinedColumnError("x"), "schema-behind"),
        (asyncpg.UniqueViolationError("x"), "duplicate"),
        (asyncpg.CheckViolationError("x"), "not-storable"),
        (asyncpg.CharacterNotInRepertoireError("x"), "not-storable"),
        (asyncpg.DataError("invalid input for query argument $1"), "not-storable"),
        (asyncpg.InsufficientPrivilegeError("x"), "internal-failure"),
        (KeyError("x"), "internal-failure"),
    ],
)
def test_failures_of_the_database_are_told_apart(error: Exception, slug: str) -> None:
    assert translated(error).slug == slug


async def test_a_wrong_path_parameter_is_named(connect: Connect) -> None:
    answer = await connect(failing_with(GateShut())).get("/v1/fail/not-an-id")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "id")


async def test_an_unknown_path_is_a_problem(connect: Connect) -> None:
    answer = await connect().get("/v1/nothing")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/no-such-route")


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(connect: Connect) -> None:
    answer = await connect().delete("/livez")
    assert (answer.status_code, answer.json()["type"], answer.headers["Allow"]) == (405, "/problems/method-not-allowed", "GET")


async def test_a_path_of_several_routes_names_the_methods_of_all(connect: Connect) -> None:
    router = APIRouter(prefix="/v1")
    for method in ("GET", "POST"):
        router.add_api_route("/things/{id}", lambda id: {"id": id}, methods=[method], operation_id=method)  # noqa: A006 - the path's own word
    answer = await connect(router).delete("/v1/things/1")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


async def test_a_path_with_a_slash_too_many_is_not_redirected(connect: Connect) -> None:
    assert (await connect().get("/livez/")).status_code == 404


async def test_a_problems_type_leads_to_a_page_for_people(connect: Connect) -> None:
    answer = await connect().get("/problems/gate-shut", headers={"Accept": "text/html"})
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Come back in the morning &lt;b&gt;please&lt;/b&gt;." in answer.text


async def test_a_problems_type_leads_to_a_document_for_programs(connect: Connect) -> None:
    answer = await connect().get("/problems/gate-shut", headers={"Accept": "application/json"})
    assert answer.json()["status"] == 409
    assert answer.json()["description"].startswith("The gate is shut at night.")


async def test_a_problem_nobody_has_is_not_found(connect: Connect) -> None:
    answer = await connect().get("/problems/no-such-thing")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_every_problem_is_explained() -> None:
    unexplained = [slug for slug, kind in documented_problems().items() if not (kind.__doc__ or "").strip().endswith(".")]
    assert unexplained == []


def test_no_two_problems_share_a_slug() -> None:
    kinds = [kind for kind in _all(KlasterError) if "slug" in vars(kind)]
    assert len({kind.slug for kind in kinds}) == len(kinds)


def _all(kind: type[KlasterError]) -> list[type[KlasterError]]:
    return [found for child in kind.__subclasses__() for found in (child, *_all(child))]


def test_failures_of_http_itself_are_client_errors_or_our_own() -> None:
    assert {kind.status // 100 for kind in _all(Misread)} <= {4, 5}  # type: ignore[attr-defined]  # subclasses of Misread
