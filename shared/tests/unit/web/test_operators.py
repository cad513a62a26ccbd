from collections.abc import Callable

import httpx
import pytest

type Connect = Callable[..., httpx.AsyncClient]

TOKEN = "0123456789abcdef-token"


async def slug(client: httpx.AsyncClient, **headers: str) -> str | None:
    """The problem that stands between this request and the database, which is away in this suite."""
    answer = await client.get("/admin/outbox", headers={name.replace("_", "-"): value for name, value in headers.items()})
    return str(answer.json()["type"]).removeprefix("/problems/")


LET_IN = "database-away"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1"])
async def test_a_client_on_this_machine_is_let_in(connect: Connect, address: str) -> None:
    assert await slug(connect(address=(address, 1))) == LET_IN


@pytest.mark.parametrize("address", ["10.0.0.7", "192.0.2.1", "2001:db8::1", "testclient"])
async def test_a_client_from_elsewhere_is_not(connect: Connect, address: str) -> None:
    assert await slug(connect(address=(address, 1))) == "operators-only"


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
async def test_a_forwarded_request_is_not_from_this_machine(connect: Connect, header: str) -> None:
    assert await slug(connect(), **{header: "127.0.0.1"}) == "operators-only"


async def test_a_name_that_was_pointed_at_this_machine_is_not_let_in(connect: Connect) -> None:
    assert await slug(connect(), Host="evil.example:8101") == "operators-only"


async def test_a_page_from_elsewhere_cannot_send_the_operators_browser_here(connect: Connect) -> None:
    assert await slug(connect(), Sec_Fetch_Site="cross-site") == "operators-only"


async def test_with_a_token_set_whoever_bears_it_is_let_in_from_anywhere(connect: Connect) -> None:
    client = connect(address=("192.0.2.1", 1), admin_token=TOKEN)
    assert await slug(client, Authorization=f"Bearer {TOKEN}", Host="klaster.example") == LET_IN


async def test_with_a_token_set_this_machine_needs_it_too(connect: Connect) -> None:
    answer = await connect(admin_token=TOKEN).get("/admin/outbox")
    assert (answer.status_code, answer.json()["type"], answer.headers["WWW-Authenticate"]) == (401, "/problems/unauthenticated", "Bearer")


@pytest.mark.parametrize("given", ["Bearer wrong", f"Bearer {TOKEN}x", "Bearer żółw"])
async def test_another_token_is_refused(connect: Connect, given: str) -> None:
    answer = await connect(admin_token=TOKEN).get("/admin/outbox", headers=[(b"Authorization", given.encode())])
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/operators-only")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN])
async def test_what_is_no_bearer_token_is_unauthenticated(connect: Connect, given: str) -> None:
    answer = await connect(admin_token=TOKEN).get("/admin/outbox", headers={"Authorization": given})
    assert answer.status_code == 401
