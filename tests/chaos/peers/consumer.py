"""`python -m tests.chaos.peers.consumer URL SERVERS TOPIC POLICY FIXED`: a FastStream consumer with an ORM effect, as its documentation shows.

POLICY `defaults`: nothing said but topic and group, as in the first examples of the documentation. `nack`: the policy that its page on
acknowledgement advises against loss, from the earliest message on. FIXED `fixed`: bad orders can be handled.
"""

import asyncio
import sys
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from sqlalchemy.ext.asyncio import async_sessionmaker

from tests.chaos.peers.orders import CannotBeHandled, Effect, Order, engine_for

POLICIES: dict[str, dict[str, Any]] = {"defaults": {}, "nack": {"ack_policy": AckPolicy.NACK_ON_ERROR, "auto_offset_reset": "earliest"}}


async def main(url: str, servers: str, topic: str, policy: str, *, fixed: bool) -> None:
    """Until SIGTERM."""
    sessions = async_sessionmaker(engine_for(url), expire_on_commit=False)
    broker = KafkaBroker(servers)

    @broker.subscriber(topic, group_id=f"{topic}-effects", **POLICIES[policy])  # type: ignore[untyped-decorator]
    async def apply(order: Order) -> None:
        async with sessions() as session, session.begin():
            session.add(Effect(customer=order.customer, number=order.number))
            if order.bad and not fixed:
                raise CannotBeHandled

    await FastStream(broker).run()


if __name__ == "__main__":
    given_url, given_servers, given_topic, given_policy, given_fixed = sys.argv[1:]
    asyncio.run(main(given_url, given_servers, given_topic, given_policy, fixed=given_fixed == "fixed"))
