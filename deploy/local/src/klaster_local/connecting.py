"""HTTP clients of the four services, and where Kafka is."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import httpx

from klaster_local.configuration import SERVICES, Configuration
from klaster_shared.embedded.ports import LOOPBACK, listening

CONNECTIONS: Final = 8


@asynccontextmanager
async def service_clients(
    configuration: Configuration, *, headers: Mapping[str, str], answer_within: float
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client per service, each with the service's address; `answer_within` is in seconds. They share what is dear to make, the TLS settings."""
    tls = httpx.create_ssl_context()
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with AsyncExitStack() as clients:
        yield {
            name: await clients.enter_async_context(
                httpx.AsyncClient(base_url=configuration.url(name), headers=headers, limits=limits, timeout=answer_within, verify=tls)
            )
            for name in SERVICES
        }


def kafka_servers_of(configuration: Configuration) -> str:
    """The configured broker. Where none is configured: the embedded one, or docker compose's where that is there instead."""
    if configuration.given_kafka_servers is None and not listening(configuration.kafka_port):
        composed = configuration.compose_kafka_port
        return f"{LOOPBACK}:{composed}" if listening(composed) else configuration.kafka_servers
    return configuration.kafka_servers
