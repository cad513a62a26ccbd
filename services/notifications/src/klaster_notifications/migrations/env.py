from alembic import context

from klaster_notifications.adapters.tables import metadata
from klaster_shared.db.migrating import run_migrations

run_migrations(context, metadata)
