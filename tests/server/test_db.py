"""SQLite's log is copied into the file beside those who write, so that no commit need do it."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from server.db import Database


def test_the_log_is_copied_into_the_file_while_somebody_writes(tmp_path: Path) -> None:
    db = Database(tmp_path / "db.sqlite")
    with db.write() as tx:
        tx.execute(sa.text("CREATE TABLE said (word TEXT)"))
        tx.execute(sa.text("INSERT INTO said VALUES ('committed')"))
    with db.write() as tx:
        tx.execute(sa.text("INSERT INTO said VALUES ('under way')"))
        db.checkpoint()
        alone = tmp_path / "alone.sqlite"
        alone.write_bytes((tmp_path / "db.sqlite").read_bytes())  # without its log
    copy = sqlite3.connect(alone)
    assert copy.execute("SELECT word FROM said").fetchall() == [("committed",)]
    copy.close()
    with db.read() as tx:
        assert tx.scalar(sa.text("SELECT count(*) FROM said")) == 2
    db.close()
