import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
import orjson
import pytest

from klaster_partners.application.ports import PartnersWork
from klaster_partners.bootstrap import Parts
from klaster_partners.domain.identifiers import Scheme, identifier
from klaster_partners.domain.membership import Membership
from klaster_partners.domain.tiers import Tier
from klaster_partners.testing import PARTIES, a_change, a_contact, a_membership, a_network, an_organisation
from klaster_shared.errors import StaleVersion

pytestmark = pytest.mark.engines

type NewWork = Callable[[], AbstractAsyncContextManager[PartnersWork]]


@pytest.fixture(autouse=True)
async def empty(parts: Parts) -> None:
    async with parts.database.connect() as connection:
        await connection.execute("TRUNCATE organisation, network, outbox CASCADE")


@pytest.fixture
async def membership(new_work: NewWork) -> Membership:
    organisation, network = an_organisation(), a_network()
    applied = a_membership(organisation=organisation.id, network=network.id).build()
    async with new_work() as work:
        await work.organisations.save(organisation)
        await work.networks.save(network)
        await work.memberships.save(applied)
    return applied


async def outbox(parts: Parts, topic: str) -> list[dict[str, str]]:
    """The headers of the rows of a topic, in the order of their ids."""
    async with parts.database.connect() as connection:
        rows = await connection.fetch("SELECT headers FROM outbox WHERE topic = $1 ORDER BY id", topic)
    return [dict(orjson.loads(row["headers"])) for row in rows]


async def test_the_messages_of_an_aggregate_are_numbered_without_gaps(parts: Parts, new_work: NewWork, membership: Membership) -> None:
    async with new_work() as work:
        membership.admit(a_change(Tier.ASSOCIATE, on="2011-05-01"))
        await work.memberships.save(membership)
    async with new_work() as work:
        membership.upgrade(a_change(Tier.FULL, on="2012-01-01"), parties=PARTIES)
        await work.memberships.save(membership)

    messages = await outbox(parts, "klaster.partners.membership.v1")

    assert [(message["ce_type"].split(".")[-2], int(message["ce_sequence"])) for message in messages] == [
        ("MembershipApplied", 1),
        ("MembershipAdmitted", 2),
        ("MembershipUpgraded", 3),
    ]
    assert {message["ce_subject"] for message in messages} == {str(membership.id)}


async def test_a_contact_is_a_message_of_its_organisation(parts: Parts, new_work: NewWork) -> None:
    organisation = an_organisation()
    organisation.add_contact(a_contact())
    async with new_work() as work:
        await work.organisations.save(organisation)

    messages = await outbox(parts, "klaster.partners.organisation.v1")

    assert [(message["ce_subject"], int(message["ce_sequence"])) for message in messages] == [(str(organisation.id), 1), (str(organisation.id), 2)]


async def test_a_failed_transaction_leaves_neither_rows_nor_messages(parts: Parts, new_work: NewWork) -> None:
    async def fail() -> None:
        async with new_work() as work:
            await work.organisations.save(an_organisation("Genopole", identifier(Scheme.KRS, "0000127206")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    async with parts.database.connect() as connection:
        assert await connection.fetchval("SELECT (SELECT count(*) FROM organisation) + (SELECT count(*) FROM identifier)") == 0
    assert await outbox(parts, "klaster.partners.organisation.v1") == []


async def test_of_two_transactions_that_change_one_aggregate_the_later_is_stale(new_work: NewWork, membership: Membership) -> None:
    both_have_read = asyncio.Barrier(2)

    async def admit(tier: Tier) -> Tier:
        async with new_work() as work:
            read = await work.memberships.get(membership.id)
            await both_have_read.wait()
            read.admit(a_change(tier, on="2011-05-01"))
            await work.memberships.save(read)
        return tier

    outcomes = await asyncio.gather(admit(Tier.ASSOCIATE), admit(Tier.FULL), return_exceptions=True)

    (stale,) = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, Tier)]
    assert isinstance(stale, StaleVersion)
    async with new_work() as work:
        assert [change.tier for change in (await work.memberships.get(membership.id)).history] == [winner]


async def test_the_database_has_the_last_word_on_what_is_unique(new_work: NewWork, membership: Membership) -> None:
    krs = identifier(Scheme.KRS, "0000127206")
    async with new_work() as work:
        await work.organisations.save(an_organisation("Genopole", krs))

    savings: list[Callable[[PartnersWork], Awaitable[None]]] = [
        lambda work: work.organisations.save(an_organisation("Another", krs)),
        lambda work: work.networks.save(a_network()),
        lambda work: work.memberships.save(a_membership(organisation=membership.organisation, network=membership.network).build()),
    ]
    for save in savings:
        with pytest.raises(asyncpg.UniqueViolationError):
            async with new_work() as work:
                await save(work)
