"""What the embedded stack itself decides of a service's settings.

The one rule: it needs no engine, so that settings can be checked before any is there.
"""

from typing import Final

from klaster_local.configuration import Configuration
from klaster_shared.embedded.ports import LOOPBACK

INSTANCE: Final = "local"
"""The replica's name: with it a restarted service takes its partitions back at once instead of after a session timeout."""


def wiring(configuration: Configuration, service: str, *, database_url: str) -> dict[str, str]:
    """What the stack itself decides of a service's settings."""
    own = service.upper()
    wired = {
        f"{own}_DATABASE_URL": database_url,
        f"{own}_HTTP_HOST": LOOPBACK,
        f"{own}_HTTP_PORT": str(configuration.http_port(service)),
        "KLASTER_KAFKA_SERVERS": f"{LOOPBACK}:{configuration.kafka_port}",
        "KLASTER_INSTANCE_ID": INSTANCE,
    }
    if service == "notifications":
        wired |= {"NOTIFICATIONS_SMTP_HOST": LOOPBACK, "NOTIFICATIONS_SMTP_PORT": str(configuration.smtp_port)}
    return wired
