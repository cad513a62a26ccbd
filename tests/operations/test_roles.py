"""What `serve --only` offers of a service, held to the components that the service has."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from klaster_shared.lifecycle import CLOSE_SECONDS, PUBLISH_SECONDS, STOP_SECONDS, WORK_SECONDS, Role
from klaster_shared.settings import ServiceSettings

SERVICES = ("partners", "events", "budget", "notifications")

type SettingsOf = Callable[[str], type[ServiceSettings]]


def components_of(parts: Any) -> list[Any]:
    return list(getattr(parts, "assembly", parts).components)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_offers_the_roles_that_it_has_components_for(settings_of: SettingsOf, service: str) -> None:
    settings = settings_of(service).load(database_url="postgresql://nobody@localhost/nowhere")
    parts = import_module(f"klaster_{service}.bootstrap").build(settings)
    offered = import_module(f"klaster_{service}.__main__").SERVICE.roles
    assert offered == {Role.API} | {component.role for component in components_of(parts) if component.role is not None}


def test_the_shares_of_a_stop_add_up_to_less_than_its_bound() -> None:
    assert WORK_SECONDS + PUBLISH_SECONDS + CLOSE_SECONDS < STOP_SECONDS
