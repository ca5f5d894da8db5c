"""Each patient's newest values are kept beside the chunks: of an old database they are found once, from all chunks."""

import sqlalchemy as sa
from alembic import op

from server.readings import chunks, lately
from server.readings.journal import nothing

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "newest",
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("of", sa.LargeBinary(), nullable=False, comment="the newest value of each channel in the chunks"),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("patient_id"),
    )
    tx = op.get_bind()
    for patient in chunks.patients(tx):
        lately.write(tx, {patient: lately.looked_up(tx, patient, chunks.channels(tx, patient), nothing(), set())})
