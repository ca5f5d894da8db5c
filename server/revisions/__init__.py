"""The schema's revisions, one Alembic file each in `versions/`, named by number: `0001_baseline.py`.

The server brings its database up to the newest revision when it starts. Most starts find nothing to do, so what is
needed to see that is read without Alembic. A database of a later revision than this program knows is refused: an
older program would not understand what it reads.

To add one: change the tables, call `draft("what it does")`, read what Alembic wrote, and mend it. There is no way
down: what was recorded under a newer schema is not thrown away, and the way back is a backup.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from server.db import Database
from vitals.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent


def numbers() -> list[str]:
    """The revisions there are, oldest first."""
    return sorted(path.name.split("_")[0] for path in (HERE / "versions").glob("[0-9]*_*.py"))


def current(tx: sa.Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    found: str | None = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def upgrade(db: Database) -> None:
    """Bring the database to the newest revision; raises StoreError if it is of a newer program."""
    with db.write() as tx:
        at, known = current(tx), numbers()
        if at == known[-1]:
            return
        if at is not None and at not in known:
            raise StoreError(
                f"the database {db.name} is at revision {at}, this program knows only up to {known[-1]}",
                "start the newer version of Hjemvakt that wrote it, or restore a backup",
            )
        upgrade_to(tx, "head")


def upgrade_to(tx: sa.Connection, revision: str) -> None:
    """Bring the database up to that revision ("head" for the newest), in `tx`."""
    from alembic import command  # a fifth of a second that most starts need not pay

    command.upgrade(_config(tx), revision)


def draft(what: str) -> None:
    """Write a new file in `versions/` with the difference between the newest revision and the tables as declared."""
    from alembic import command

    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "draft.sqlite")
        if numbers():
            upgrade(db)
        with db.write() as tx:
            command.revision(_config(tx), what, autogenerate=True, rev_id=f"{len(numbers()) + 1:04d}")
        db.close()


def _config(tx: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = tx
    return config
