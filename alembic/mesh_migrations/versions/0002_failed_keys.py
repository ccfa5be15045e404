"""What failed of late, for sidecars that keep failed traces alone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits in both."""


def upgrade() -> None:
    op.create_table(
        "failed_key",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("at", NUMBER, nullable=False),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("failed_key")
