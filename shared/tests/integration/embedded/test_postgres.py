import os
import shutil
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest

from klaster_shared.embedded import postgres
from klaster_shared.embedded.errors import EngineError, PortTaken
from klaster_shared.embedded.ports import free_port
from klaster_shared.embedded.postgres import INSTALLATION, WHEEL, DatabaseSpec, PostgresServer

pytestmark = pytest.mark.embedded

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step aside for another account")

PARTNERS = DatabaseSpec("klaster_partners", "partners_app", "p'4\\$\"wörd")
EVENTS = DatabaseSpec("klaster_events", "events_app", "other")


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="klaster-engine-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="module")
def server(state: Path) -> Iterator[PostgresServer]:
    with PostgresServer(state, free_port()) as server:
        server.access.provide([PARTNERS, EVENTS])
        yield server


@asynccontextmanager
async def connected(server: PostgresServer, spec: DatabaseSpec) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.access.url(spec).replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_role_reaches_its_database_over_tcp(server: PostgresServer) -> None:
    async with connected(server, PARTNERS) as connection:
        assert await connection.fetchval("select current_user") == PARTNERS.role


async def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with connected(server, replace(PARTNERS, password="wrong")):
            pass


async def test_a_role_is_refused_by_the_database_of_another(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connected(server, replace(PARTNERS, database=EVENTS.database)):
            pass


async def test_passwords_are_kept_as_scram_verifiers(server: PostgresServer) -> None:
    superuser = DatabaseSpec("postgres", "postgres", server.access.password)
    async with connected(server, superuser) as connection:
        stored = await connection.fetch("select rolpassword from pg_authid where rolpassword is not null")
    assert all(row["rolpassword"].startswith("SCRAM-SHA-256$") for row in stored)


async def test_commits_wait_for_the_disk(server: PostgresServer) -> None:
    async with connected(server, PARTNERS) as connection:
        assert [await connection.fetchval(f"show {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on", "on", "on"]


async def test_providing_again_keeps_what_is_there(server: PostgresServer) -> None:
    async with connected(server, EVENTS) as connection:
        await connection.execute("create table kept (id int)")
    server.access.provide([PARTNERS, EVENTS])
    async with connected(server, EVENTS) as connection:
        assert await connection.fetchval("select count(*) from kept") == 0


async def test_providing_again_changes_a_password(server: PostgresServer) -> None:
    spec = DatabaseSpec("changing", "changing_app", "old")
    server.access.create_database(spec)
    server.access.create_database(replace(spec, password="new"))
    async with connected(server, replace(spec, password="new")) as connection:
        assert await connection.fetchval("select true")


async def test_a_dropped_database_is_gone_even_while_someone_is_connected(server: PostgresServer) -> None:
    spec = DatabaseSpec("passing", "passing_app", "x")
    server.access.create_database(spec)
    async with connected(server, spec):
        server.access.drop_database(spec)
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with connected(server, spec):
            pass


def test_dropping_what_is_not_there_is_harmless(server: PostgresServer) -> None:
    server.access.drop_database(DatabaseSpec("never", "never_app", "x"))


def test_a_refused_statement_is_told_with_the_servers_answer(server: PostgresServer) -> None:
    with pytest.raises(EngineError, match='relation "nowhere" does not exist'):
        server.access.execute("table nowhere;")


def test_a_refused_statement_does_not_reach_the_servers_log(server: PostgresServer, state: Path) -> None:
    with pytest.raises(EngineError):
        server.access.execute("alter role nobody_at_all password :'password';", password="sesame")
    assert "sesame" not in (state / "logs" / "postgres.log").read_text()


def test_the_superusers_password_is_readable_by_its_owner_alone(server: PostgresServer) -> None:
    assert stat.S_IMODE((server.directory / "superuser.password").stat().st_mode) == 0o600


def test_a_second_server_on_the_same_files_is_refused(server: PostgresServer, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klaster_shared.embedded.postgres.ORPHANS_LIVE_SECONDS", 0.1)
    with pytest.raises(EngineError, match=rf"Another PostgreSQL \(process {server.pid}\) uses"):
        PostgresServer(state, free_port()).start()


def test_a_taken_port_is_told_in_one_line_before_anything_is_created(engine_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^Port {port} is taken; PostgreSQL needs it.*KLASTER_POSTGRES_PORT"):
            PostgresServer(engine_directory, port).start()
    assert not (engine_directory / "postgres").exists()


async def test_committed_data_survive_a_kill(engine_directory: Path) -> None:
    server = PostgresServer(engine_directory, free_port())
    with server:
        server.access.create_database(PARTNERS)
        async with connected(server, PARTNERS) as connection:
            await connection.execute("create table note (text text)")
            await connection.execute("insert into note values ('kept')")
            server.kill()
        server.start()
        async with connected(server, PARTNERS) as connection:
            assert await connection.fetchval("select text from note") == "kept"


def test_a_server_stops_properly_while_clients_are_connected(engine_directory: Path) -> None:
    server = PostgresServer(engine_directory, free_port())
    with server, socket.create_connection(("127.0.0.1", server.port)):
        assert server.stop() is True


def test_an_interrupted_creation_is_begun_anew(engine_directory: Path) -> None:
    half = engine_directory / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with PostgresServer(engine_directory, free_port()) as server:
        assert server.ready()


@as_root
def test_as_root_a_state_behind_a_closed_folder_is_kept_where_the_account_reaches_it(engine_directory: Path) -> None:
    closed, reachable = engine_directory / "closed", engine_directory / "reachable"
    closed.mkdir(mode=0o700)
    with PostgresServer(closed / "state", free_port(), system_state=reachable) as server:
        assert server.directory.parent == reachable
    server.wipe()
    assert list(reachable.iterdir()) == []


@as_root
def test_as_root_programs_behind_a_closed_folder_are_run_from_a_copy(engine_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, reachable = engine_directory / "closed", engine_directory / "reachable"
    closed.mkdir(mode=0o700)
    installed = Path(postgres.binary("postgres")).parents[3]
    for tree in (INSTALLATION, f"{WHEEL}.libs"):
        shutil.copytree(installed / tree, closed / tree, symlinks=True)
    monkeypatch.setattr(postgres, "_site", lambda: closed)
    with PostgresServer(engine_directory, free_port(), system_state=reachable) as server:
        server.access.create_database(PARTNERS)
        assert psutil.Process(server.pid).exe().startswith(str(reachable))
