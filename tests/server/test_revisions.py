"""The schema as Alembic builds it and as the code declares it are the same, and a newer one is refused."""

import importlib
import pkgutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import server
from server import revisions
from server.config import Database as DatabaseConfig
from server.db import Database, metadata
from tests.server.conftest import Town
from vitals.errors import StoreError


def test_the_newest_revision_is_what_the_code_declares(tmp_path: Path, database: DatabaseConfig) -> None:
    for module in pkgutil.walk_packages(server.__path__, "server."):
        if "revisions" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)  # whatever declares a table anywhere has now done so
    db = Database(database.where(tmp_path))
    revisions.upgrade(db)
    with db.write() as tx:
        assert revisions.current(tx) == revisions.numbers()[-1]
        assert compare_metadata(MigrationContext.configure(tx, opts={"compare_type": True}), metadata) == []
    db.close()


def test_a_second_start_finds_nothing_to_do(
    tmp_path: Path, database: DatabaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database(database.where(tmp_path))
    revisions.upgrade(db)
    monkeypatch.setattr("alembic.command.upgrade", lambda *_: pytest.fail("there was nothing to do"))
    revisions.upgrade(db)
    db.close()


def test_a_database_of_a_newer_program_is_refused_with_what_to_do(town: Town) -> None:
    with town.server.db.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    newest = revisions.numbers()[-1]
    with pytest.raises(StoreError, match=rf"revision 9999.*up to {newest}.*start the newer version"):
        town.begin_again()
