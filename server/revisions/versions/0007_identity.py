"""Identity: claim codes, certificates, and which gateways are not believed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "claim_codes",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("ends_ns", sa.BigInteger(), nullable=False),
        sa.Column(
            "serial",
            sa.Text(),
            nullable=True,
            comment="of the certificate that was given for it; NULL: it is not used yet",
        ),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "certificates",
        sa.Column("serial", sa.Text(), nullable=False, comment="hexadecimal"),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="SHA-256 of the public key, hexadecimal"),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("issued_ns", sa.BigInteger(), nullable=False),
        sa.Column("not_after_ns", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"]),
        sa.PrimaryKeyConstraint("serial"),
    )
    op.create_index("certificates_of_gateway", "certificates", ["gateway", "issued_ns"], unique=False)
    op.add_column(
        "gateways",
        sa.Column(
            "revoked_ns", sa.BigInteger(), nullable=True,
            comment="since when it is not believed, by the wall; until it is claimed anew",
        ),
    )  # fmt: skip
