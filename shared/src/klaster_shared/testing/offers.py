"""How each engine is provided, per kind: the table that makes one suite run on embedded engines and on containers.

An offer is a context manager: inside it the engine runs, and its value is what a client needs to reach it, as JSON.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.error import URLError

from klaster_shared.embedded.errors import EngineError
from klaster_shared.embedded.kafka import KafkaServer, answers
from klaster_shared.embedded.mail import MailServer
from klaster_shared.embedded.ports import LOOPBACK, free_port
from klaster_shared.embedded.postgres import PostgresAccess, PostgresServer
from klaster_shared.testing.hosting import Endpoint
from klaster_shared.testing.mail import Mailpit

type Offer = Callable[[Path], AbstractContextManager[Endpoint]]


@contextmanager
def embedded_postgres(directory: Path) -> Iterator[Endpoint]:
    server = PostgresServer(directory, free_port())
    try:
        with server:
            yield {"host": LOOPBACK, "port": server.port, "password": server.access.password}
    finally:
        server.wipe()  # its files may lie outside the directory


@contextmanager
def embedded_kafka(directory: Path) -> Iterator[Endpoint]:
    with KafkaServer(directory, free_port()) as server:
        yield {"servers": server.servers}


@contextmanager
def embedded_mail(directory: Path) -> Iterator[Endpoint]:
    with MailServer(directory, free_port()) as server:
        yield {"host": LOOPBACK, "port": server.port, "directory": str(server.directory)}


@contextmanager
def contained_postgres(_: Path) -> Iterator[Endpoint]:
    from klaster_shared.testing.containers import PostgresContainer

    with PostgresContainer() as container:
        access = PostgresAccess(container.host, container.port, container.password)
        container.wait_ready(lambda: accepts(access))
        yield {"host": access.host, "port": access.port, "password": access.password}


@contextmanager
def contained_kafka(_: Path) -> Iterator[Endpoint]:
    from klaster_shared.testing.containers import KafkaContainer

    with KafkaContainer() as container:
        container.wait_ready(lambda: answers(container.servers))
        yield {"servers": container.servers}


@contextmanager
def contained_mail(_: Path) -> Iterator[Endpoint]:
    from klaster_shared.testing.containers import MailpitContainer

    with MailpitContainer() as container:
        mailpit = Mailpit(container.host, container.smtp, container.http)
        container.wait_ready(lambda: _shows_mails(mailpit))
        yield {"host": mailpit.host, "port": mailpit.port, "api": mailpit.api}


OFFERS: dict[str, dict[str, Offer]] = {
    "embedded": {"postgres": embedded_postgres, "kafka": embedded_kafka, "mail": embedded_mail},
    "containers": {"postgres": contained_postgres, "kafka": contained_kafka, "mail": contained_mail},
}


def accepts(access: PostgresAccess) -> bool:
    try:
        access.execute("select 1 where false;")
    except EngineError:
        return False
    return True


def _shows_mails(mailpit: Mailpit) -> bool:
    try:
        mailpit.messages()
    except (URLError, ConnectionError):
        return False
    return True
