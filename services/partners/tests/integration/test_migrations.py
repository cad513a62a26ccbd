import pytest

from klaster_partners.adapters.tables import metadata
from klaster_shared.testing.migrations import MigrationBehaviour

pytestmark = pytest.mark.engines


class TestMigrations(MigrationBehaviour):
    package = "klaster_partners"
    metadata = metadata
