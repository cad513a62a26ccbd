import pytest

from klaster_partners.application.register_network import RegisterNetwork, register_network
from klaster_partners.domain.errors import CodeTaken
from klaster_partners.testing import OFFICE, InMemoryWork


async def test_a_network_is_stored_with_who_registered_it() -> None:
    work = InMemoryWork()

    network = await register_network(RegisterNetwork(code="ScanBalt", name="ScanBalt BioRegion"), work)

    stored = await work.networks.get(network.id)
    assert (stored.code, stored.name, stored.registered_by, stored.version) == ("ScanBalt", "ScanBalt BioRegion", OFFICE, 1)


async def test_a_code_is_given_once() -> None:
    work = InMemoryWork()
    await register_network(RegisterNetwork(code="GIN", name="Global Innovation Network"), work)

    with pytest.raises(CodeTaken):
        await register_network(RegisterNetwork(code="GIN", name="Another"), work)
