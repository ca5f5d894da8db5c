"""The outbox carries word of broken glass, to those who look at it afterwards.

The secrets of second steps are sealed from now on, and no revision does that: a revision cannot know the key, so the
server does it each time it starts (`server.access.steps.seal_plain`).
"""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("glass_id", Number))
    op.create_index("outbox_of_glass", "outbox", ["glass_id"])
