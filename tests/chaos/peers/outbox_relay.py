"""`python -m tests.chaos.peers.outbox_relay URL SERVERS TOPIC FIXED`: faststream-outbox as its quickstart shows, relaying to Kafka.

Beyond the quickstart the Kafka message is keyed by customer, without which nobody could expect an order.
"""

import asyncio
import sys

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaResponse
from faststream_outbox import OutboxBroker, make_outbox_table

from tests.chaos.peers.orders import CannotBeHandled, Order, engine_for, metadata

QUEUE = "orders_outbox"
outbox_table = make_outbox_table(metadata, table_name="outbox")


async def main(url: str, servers: str, topic: str, *, fixed: bool) -> None:
    """Until SIGTERM."""
    outbox = OutboxBroker(engine_for(url), outbox_table=outbox_table)
    kafka = KafkaBroker(servers)
    publisher = kafka.publisher(topic)

    @publisher
    @outbox.subscriber(QUEUE)
    async def relay(order: Order) -> KafkaResponse:
        if order.bad and not fixed:
            raise CannotBeHandled
        return KafkaResponse(order.model_dump(), key=order.customer.encode())

    await FastStream(outbox, on_startup=[kafka.connect]).run()


if __name__ == "__main__":
    given_url, given_servers, given_topic, given_fixed = sys.argv[1:]
    asyncio.run(main(given_url, given_servers, given_topic, fixed=given_fixed == "fixed"))
