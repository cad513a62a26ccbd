"""What the platform needs to keep its guarantees under faults: see `platform_schema`.

Runs before the new release is rolled out; the release before it works on with these tables.
"""

from klaster_shared.db.platform_schema import extend_platform_tables_0002, reduce_platform_tables_0002

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    extend_platform_tables_0002()


def downgrade() -> None:
    reduce_platform_tables_0002()
