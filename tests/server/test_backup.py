"""A backup is the whole of one moment, and nothing but a whole one of a known kind is ever put in place."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server import backup as doing
from server.backup import backup, restore
from server.backup.__main__ import backup_main, restore_main
from server.config import Config
from server.config import Database as DatabaseConfig
from server.identity.authority import write_private
from server.keeping import DATABASE, kept
from server.revisions import numbers
from tests.faults.ledger import promised_readings
from tests.server.conftest import SQLITE, START_NS, Town, acknowledged, spo2
from vitals.clock import NS
from vitals.errors import ConfigError, StoreError

MANIFEST = "manifest.json"


@pytest.fixture
def database() -> DatabaseConfig:
    """These stories are about the embedded files."""
    return SQLITE


@pytest.fixture
def saved(town: Town) -> Path:
    """A backup of a town with something in it."""
    town.send(spo2(94, START_NS), spo2(70, START_NS + NS))
    town.tick(seconds=10)
    authority = town.config.data / "authority" / "keys"
    authority.mkdir(parents=True)
    (authority / "root.pem").write_text("a key")
    (authority / "root.pem").chmod(0o600)
    file = town.folder / "town.backup"
    backup(town.config, file)
    return file


def elsewhere(town: Town, name: str = "elsewhere") -> Config:
    """The same server on another machine."""
    return msgspec.structs.replace(town.config, data=town.folder / name / "data")


def content(data: Path) -> dict[str, list[object]]:
    """Every row of every table."""
    with closing(sqlite3.connect(data / "hjemvakt.sqlite")) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def everything(data: Path) -> dict[str, bytes]:
    """Every file, but for the lock."""
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def altered(saved: Path, **changes: object) -> Path:
    """The same backup with something else in its manifest."""
    with zipfile.ZipFile(saved) as pack:
        parts = {name: pack.read(name) for name in pack.namelist()}
    parts[MANIFEST] = json.dumps(json.loads(parts[MANIFEST]) | changes).encode()
    other = saved.with_name("altered.backup")
    with zipfile.ZipFile(other, "w") as pack:
        for name, data in parts.items():
            pack.writestr(name, data)
    return other


def test_what_was_saved_is_restored_elsewhere_row_by_row_and_a_server_starts_on_it(town: Town, saved: Path) -> None:
    there = elsewhere(town)
    restore(there, saved)
    assert content(there.data) == content(town.config.data)
    key = there.data / "authority" / "keys" / "root.pem"
    assert (key.read_text(), stat.S_IMODE(key.stat().st_mode)) == ("a key", 0o600)
    town.server.close()
    town.config = there
    town.begin_again()
    assert town.values("eva") == [94, 70]
    assert town.server.health().open_alarms == 1
    again = town.rows(spo2(94, START_NS), spo2(70, START_NS + NS), spo2(95, START_NS + 2 * NS))
    assert acknowledged(town.server.receive(*town.batch(again))) == [(0, 2)], "what was sent again is known"
    assert town.values("eva") == [94, 70, 95]


def test_a_backup_of_a_server_that_is_writing_is_one_moment_of_it(town: Town) -> None:
    """Each transaction writes a reading, the journal's total and what has come: no copy has one without the others."""
    stopping, written = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        number = 0
        while not stopping.is_set():
            town.send(spo2(60 + number % 40, START_NS + number * NS), first=number)
            number += 1
            written.release()

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    try:
        for number in range(4):
            for _ in range(5):
                assert written.acquire(timeout=30)
            there = elsewhere(town, f"copy-{number}")
            backup(town.config, town.folder / f"{number}.backup")
            restore(there, town.folder / f"{number}.backup")
            found = content(there.data)
            (total,) = {row[-1] for row in found["journal"][-1:]}
            readings = promised_readings(there.data / DATABASE)
            assert len(readings) == len(found["journal"]) == total
            assert [(row[-2], row[-1]) for row in found["received"]] == [(0, total - 1)]
            sizes.append(total)
    finally:
        stopping.set()
        writer.join(30)
    assert sizes == sorted(set(sizes)), "it went on writing meanwhile"
    assert sizes[0] >= 5


def test_a_backup_is_for_its_owner_only_and_never_written_over(town: Town, saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    before = saved.read_bytes()
    with pytest.raises(ConfigError, match=r"there already.*name another file"):
        backup(town.config, saved)
    assert saved.read_bytes() == before
    assert {path.name for path in town.folder.iterdir()} == {"data", "municipality.toml", "town.backup"}


def test_a_hub_that_is_revoked_while_a_backup_is_packed_does_not_spoil_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of revoked certificates is written anew then; a backup of gigabytes is packed for minutes."""
    listed = town.config.data / "authority" / "crl.pem"
    write_private(listed, b"nobody")
    with monkeypatch.context() as patch:

        def pack_up(*arguments: Any) -> None:
            write_private(listed, b"a hub that was stolen")
            really(*arguments)

        really = doing.pack_up
        patch.setattr(doing, "pack_up", pack_up)
        listed.with_name("crl.pem.new").write_bytes(b"as far as it g")
        backup(town.config, town.folder / "file")
    there = elsewhere(town)
    restore(there, town.folder / "file")
    assert (there.data / "authority" / "crl.pem").read_bytes() == b"nobody"
    assert not (there.data / "authority" / "crl.pem.new").exists()


def test_two_backups_to_one_name_do_not_write_into_each_other(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by the clock and one by hand, on the day that is in the name."""
    file, refused = town.folder / "2026-03-02.zip", []

    def pack_up(*arguments: Any) -> None:
        patch.setattr(doing, "pack_up", really)
        with pytest.raises(StoreError, match=r"another backup to .* is on its way.*wait for it") as raised:
            backup(town.config, file)
        refused.append(raised)
        really(*arguments)

    with monkeypatch.context() as patch:
        really = doing.pack_up
        patch.setattr(doing, "pack_up", pack_up)
        backup(town.config, file)
    assert refused
    restore(elsewhere(town), file)
    assert {path.name for path in town.folder.iterdir()} == {"data", "elsewhere", "municipality.toml", file.name}


def test_what_a_backup_that_was_killed_left_is_thrown_away_by_the_next_to_that_name(town: Town) -> None:
    left = town.folder / "file.part" / "data"
    left.mkdir(parents=True)
    (left / "hjemvakt.sqlite").write_bytes(b"half of it")
    (left / "stranger").write_bytes(b"of another day")
    assert (
        backup(town.config, town.folder / "file").files.keys()
        == backup(town.config, town.folder / "other").files.keys()
    )
    restore(elsewhere(town), town.folder / "file")
    assert not (town.folder / "file.part").exists()


def test_a_damaged_database_makes_no_backup(town: Town, saved: Path) -> None:
    town.server.close()
    whole = town.config.data / "hjemvakt.sqlite"
    with whole.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 20))
    with pytest.raises(StoreError, match=r"damaged|cannot be copied"):
        backup(town.config, town.folder / "worthless.backup")
    assert not list(town.folder.glob("worthless*"))


def test_a_backups_disk_that_is_full_is_not_told_as_a_database_that_is_damaged(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy just fitted, and SQLite had no room to look at it. Who then restored the last backup lost all since."""

    def full(*_: Any, **__: Any) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
        raise error

    def copy(*arguments: Any) -> None:
        really(*arguments)
        patch.setattr(sqlite3, "connect", full)

    with monkeypatch.context() as patch:
        really = doing._copy_database
        patch.setattr(doing, "_copy_database", copy)
        with pytest.raises(StoreError, match=r"file cannot be written.*disk fails.*whether it is full") as raised:
            backup(town.config, town.folder / "file")
    assert "damaged" not in str(raised.value)
    assert {path.name for path in town.folder.iterdir()} == {"data", "municipality.toml"}


def test_data_that_is_there_is_not_replaced_unless_asked_and_then_kept_aside(town: Town, saved: Path) -> None:
    town.send(spo2(99, START_NS + 5 * NS), first=7)
    town.server.close()
    now = content(town.config.data)
    with pytest.raises(StoreError, match=r"has data already.*--replace"):
        restore(town.config, saved)
    assert content(town.config.data) == now
    _, aside = restore(town.config, saved, replace=True)
    assert aside is not None
    assert content(aside) == now
    assert (aside / "authority" / "keys" / "root.pem").exists()
    town.begin_again()
    assert town.values("eva") == [94, 70]


def test_the_old_databases_log_is_never_read_into_the_new_one(town: Town, saved: Path) -> None:
    """A server that was killed leaves a log beside its database, which SQLite would play into whatever is there."""
    kill = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA wal_autocheckpoint=0'); "
        "db.execute('UPDATE patients SET name = ?', ('Somebody Else',)); db.commit(); os._exit(1)"
    )
    town.server.close()
    subprocess.run([sys.executable, "-c", kill, str(town.config.data / "hjemvakt.sqlite")], check=False, timeout=30)
    assert (town.config.data / "hjemvakt.sqlite-wal").stat().st_size > 0
    _, aside = restore(town.config, saved, replace=True)
    assert {row[1] for row in content(town.config.data)["patients"]} == {"Eva", "Odd"}
    assert aside is not None
    assert {row[1] for row in content(aside)["patients"]} == {"Somebody Else"}
    town.begin_again()


def test_what_a_database_was_before_a_power_cut_is_never_rolled_back_into_the_new_one(town: Town, saved: Path) -> None:
    """A restored database begins without a write-ahead log. What is killed just then leaves SQLite's other kind of log,
    which takes a half-done change out of whatever stands beside it."""
    town.server.close()
    whole = town.config.data / DATABASE
    kill = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA journal_mode=DELETE'); "
        "db.execute('PRAGMA cache_size=2'); db.execute('BEGIN'); "
        "db.execute('CREATE TABLE other AS SELECT hex(randomblob(500)) FROM json_each(?)', (str(list(range(2000))),)); "
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", kill, str(whole)], check=False, timeout=30)
    log = whole.with_name(whole.name + "-journal")
    assert log.stat().st_size > 0
    _, aside = restore(town.config, saved, replace=True)
    assert not log.exists()
    assert aside is not None
    assert (aside / log.name).exists()
    assert content(town.config.data)["patients"] == content(aside)["patients"]
    town.begin_again()
    assert town.values("eva") == [94, 70]


def test_nothing_is_restored_under_a_running_server_and_no_second_server_starts(town: Town, saved: Path) -> None:
    with kept(town.config.data), pytest.raises(StoreError, match=r"a server runs on .*stop it first"):
        restore(town.config, saved, replace=True)
    with kept(town.config.data):
        pass


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"revision": "9999"}, f"at revision 9999; this program knows only up to {numbers()[-1]}.*or a later one"),
        ({"format": 2}, "knows only up to.*or a later one"),
        ({"revision": numbers()[0]}, "of another revision than it says"),
        ({"files": {}}, "other files than a backup does"),
        ({"files": {"hjemvakt.sqlite": {"bytes": 1, "sha256": "00", "mode": 384}}}, "not as it was written"),
        ({"taken": 7}, "no backup of Hjemvakt's"),
    ],
)
def test_a_backup_that_is_not_what_it_says_or_of_a_newer_program_changes_nothing(
    town: Town, saved: Path, changes: dict[str, object], says: str
) -> None:
    town.server.close()
    before = everything(town.config.data)
    with pytest.raises(StoreError, match=says):
        restore(town.config, altered(saved, **changes), replace=True)
    assert everything(town.config.data) == before
    town.begin_again()


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "authority/../../escaped", "municipality.toml"])
def test_a_backup_writes_nowhere_but_where_its_files_belong(town: Town, saved: Path, name: str) -> None:
    with zipfile.ZipFile(saved) as pack:
        files = json.loads(pack.read(MANIFEST))["files"]
    with pytest.raises(StoreError, match="other files"):
        restore(elsewhere(town), altered(saved, files=files | {name: files["hjemvakt.sqlite"]}))


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_backup_is_told_so(town: Town, content: bytes) -> None:
    (town.folder / "other").write_bytes(content)
    with pytest.raises(StoreError, match="no backup of Hjemvakt's"):
        restore(elsewhere(town), town.folder / "other")


def test_wherever_a_backup_is_damaged_or_cut_it_is_refused_or_all_there(town: Town, saved: Path) -> None:
    whole = saved.read_bytes()
    expected = everything(town.config.data)["authority/keys/root.pem"], content(town.config.data)
    restored, refused = 0, []
    names = len(whole) - 600  # about where the zip's own list of its files is

    @settings(max_examples=60, deadline=None)
    @given(
        at=st.integers(0, len(whole) - 1) | st.integers(names, len(whole) - 1),
        put=st.binary(min_size=1, max_size=4),
        cut=st.booleans(),
    )
    def damage(at: int, put: bytes, cut: bool) -> None:
        nonlocal restored
        restored += 1
        there = elsewhere(town, f"damaged-{restored}")
        saved.write_bytes(whole[:at] if cut else whole[:at] + put + whole[at + len(put) :])
        try:
            restore(there, saved)
        except StoreError as error:
            refused.append(str(error))
            assert everything(there.data) == {}
        else:
            assert (everything(there.data)["authority/keys/root.pem"], content(there.data)) == expected

    damage()
    assert refused
    assert all("another backup" in one or "hjemvakt backup" in one for one in refused)


def test_a_restore_that_was_cut_off_half_way_keeps_the_server_from_beginning_with_nothing(
    town: Town, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.server.close()

    def power_cut(before: list[Path], data: Path) -> Path:
        aside(before, data)
        raise KeyboardInterrupt

    aside = doing._set_aside
    with monkeypatch.context() as patch:
        patch.setattr(doing, "_set_aside", power_cut)
        with pytest.raises(KeyboardInterrupt):
            restore(town.config, saved, replace=True)
    with pytest.raises(StoreError, match="run `hjemvakt restore` again"):
        town.begin_again()
    restore(town.config, saved)
    town.begin_again()
    assert town.values("eva") == [94, 70]


def test_with_postgresql_it_says_which_tool_to_use(town: Town) -> None:
    elsewhere = msgspec.structs.replace(town.config, database=DatabaseConfig("postgresql:///hjemvakt"))
    with pytest.raises(ConfigError, match=r"pg_dump.*authority"):
        backup(elsewhere, town.folder / "file")
    with pytest.raises(ConfigError, match=r"pg_restore.*authority"):
        restore(elsewhere, town.folder / "file")


@pytest.mark.parametrize("fed", [False, True])
def test_who_restores_is_told_that_the_influxdb_beside_it_is_of_another_time(
    town: Town, saved: Path, capsys: pytest.CaptureFixture[str], fed: bool
) -> None:
    """What was withdrawn after the backup was deleted there and counts here again, and the cursor is beyond it."""
    config, sink = (
        town.folder / "server.toml",
        '[influx]\nurl = "http://127.0.0.1:8086"\nbucket = "copy"\n' if fed else "",
    )
    config.write_text(f'name = "Prøveby"\ndata = "new"\nladders = "{town.config.ladders}"\n{sink}', encoding="utf-8")
    assert restore_main([str(saved), "--config", str(config)]) == 0
    told = capsys.readouterr().err
    assert ("'copy'" in told and "name another bucket" in told) if fed else not told


def test_the_commands_say_in_a_line_what_they_did_or_what_is_wrong(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    config, file = town.folder / "server.toml", town.folder / "file"
    config.write_text(f'name = "Prøveby"\ndata = "data"\nladders = "{town.config.ladders}"\n', encoding="utf-8")
    assert backup_main([str(file), "--config", str(config)]) == 0
    assert f"{file}: taken 2" in capsys.readouterr().out
    assert restore_main([str(file), "--config", str(config)]) == 1
    assert "has data already" in capsys.readouterr().err
    town.server.close()
    assert restore_main([str(file), "--config", str(config), "--replace"]) == 0
    told = capsys.readouterr()
    assert f"{file}: restored: taken 2" in told.out
    assert "before-restore-" in told.err
    assert restore_main([str(town.folder / "nothing"), "--config", str(config)]) == 2
    assert "there is no file" in capsys.readouterr().err
    town.begin_again()
