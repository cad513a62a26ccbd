from dataclasses import dataclass

from klaster_partners.application.ports import PartnersWork
from klaster_partners.domain.errors import CodeTaken
from klaster_partners.domain.ids import NetworkId
from klaster_partners.domain.network import Network
from klaster_shared.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterNetwork:
    code: str
    name: str


async def register_network(command: RegisterNetwork, work: PartnersWork) -> Network:
    """Raises CodeTaken when another network has the code."""
    if await work.networks.coded(command.code) is not None:
        raise CodeTaken(command.code)
    network = Network.registered(NetworkId(new_id()), code=command.code, name=command.name, by=work.actor, at=work.now)
    await work.networks.save(network)
    return network
