import pytest

from klaster_notifications.adapters.tables import metadata
from klaster_shared.testing.migrations import MigrationBehaviour

pytestmark = pytest.mark.engines


class TestMigrations(MigrationBehaviour):
    package = "klaster_notifications"
    metadata = metadata
