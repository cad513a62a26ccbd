"""Where a running stack keeps what is to be looked at.

The one rule: the stack that runs here wins; only without one are the addresses taken that services are given by their environment.
"""

import json
import os
from collections.abc import Mapping
from typing import Final

from klaster_local.configuration import SERVICES, Configuration
from klaster_local.connecting import kafka_servers_of
from klaster_local.stack import Stack
from klaster_local.supervising.ownership import SECRETS_FILE
from klaster_local.verifying.failures import CannotLook
from klaster_local.verifying.mails import MailFolder, MailpitAt, Mails
from klaster_local.verifying.verifying import Places
from klaster_shared.embedded.ports import LOOPBACK, listening

MAILPIT_PORT: Final = 8025


def places_of(configuration: Configuration) -> Places:
    """
    Raises:
        CannotLook: nothing runs here, and the environment names no databases.
    """
    if Stack(configuration).is_running:
        embedded = configuration.embedded()
        passwords = json.loads((embedded.state / SECRETS_FILE).read_text())
        databases = {name: f"postgresql://{name}:{passwords[name]}@{LOOPBACK}:{embedded.postgres_port}/{name}" for name in SERVICES}
        return Places(databases=databases, kafka_servers=embedded.kafka_servers, mails=MailFolder(embedded.state / "mail"))
    environment = {**configuration.environment, **os.environ}
    return Places(databases=_named(environment), kafka_servers=kafka_servers_of(configuration), mails=_mailpit(environment))


def _named(environment: Mapping[str, str]) -> Mapping[str, str]:
    variables = {name: f"{name.upper()}_DATABASE_URL" for name in SERVICES}
    if missing := [variable for variable in variables.values() if not environment.get(variable)]:
        raise CannotLook(f"No stack runs here, and the environment does not say where the databases are: set {', '.join(missing)}.")
    return {name: environment[variable] for name, variable in variables.items()}


def _mailpit(environment: Mapping[str, str]) -> Mails | None:
    port = int(environment.get("MAILPIT_PORT") or MAILPIT_PORT)
    return MailpitAt(f"http://{LOOPBACK}:{port}") if listening(port) else None
