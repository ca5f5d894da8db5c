"""Readings handed out: what is in the file is what is stored, to the last digit, or there is no file."""

import csv
import getpass
import math
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hjemvakt.__main__ import main as hjemvakt
from server.audit.store import audit
from server.readings import filed as storage
from server.readings import journal
from server.readings.__main__ import main
from server.readings.export import COLUMNS, export
from server.readings.filed import Filed, Wanted
from server.readings.moments import moment, nanoseconds
from tests.server.conftest import START, START_NS, Town, spo2
from vitals.block import Block
from vitals.clock import NS
from vitals.errors import StoreError

DAY = ("--from", "2026-03-02", "--to", "2026-03-03")
MONTH = ("--from", "2026-03-01T00:00Z", "--to", "2026-04-01T00:00Z")
NAMES = [one.name for one in COLUMNS]


class Ward:
    """A town on disk, and the command beside it."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.out = town.folder / "out"
        self.out.mkdir()
        self.config = town.folder / "server.toml"
        url = town.config.database.url
        database = f'[database]\nurl = "{url}"\n' if url else ""
        self.config.write_text(f'name = "Prøveby"\n{database}', encoding="utf-8")

    def run(self, name: str, *more: str) -> int:
        return main(["export", *more, "--config", str(self.config), str(self.out / name)])

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.out / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def stored(self) -> list[tuple[object, ...]]:
        """What the journal says, in the columns that a file has of it; nothing is withdrawn here."""
        with self.town.server.db.read() as tx:
            entries = journal.read(tx, 0, 100_000)
        found = [(one, entry.stored_ns) for entry in entries for one in entry.readings]
        found.sort(key=lambda pair: (pair[0].patient_id, pair[0].t_ns, pair[0].channel, pair[0].identity))
        return [
            tuple(
                stored_ns if name == "stored_ns" else " ".join(one.status) if name == "status" else getattr(one, name)
                for name in Filed.__struct_fields__
            )
            for one, stored_ns in found
        ]


@pytest.fixture
def ward(town: Town) -> Iterator[Ward]:
    ward = Ward(town)
    town.send(
        spo2(94.25, START_NS + 1, decimals=2, status=("motion", "stored")),
        spo2(93, START_NS + 2, device_t_ns=START_NS - 7),
        Block("body_temp", (START_NS,), (36.6,), 1, record="r1"),
    )
    town.send(Block("weight", (START_NS,), (81.2,), 1), device="scale", first=3)
    yield ward
    assert [path.name for path in ward.out.iterdir() if path.name.startswith(".")] == [], "nothing half-written is left"


def ns(column: pa.ChunkedArray) -> list[int | None]:
    return column.cast(pa.int64()).to_pylist()


def test_a_parquet_file_holds_what_is_stored_to_the_nanosecond(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    assert ward.run("all.parquet", *MONTH) == 0
    assert capsys.readouterr().out.endswith("all.parquet: 4 readings\n")
    table = pq.read_table(ward.out / "all.parquet")
    assert table.column_names == NAMES
    found = [table[name].to_pylist() for name in ("patient_id", "channel")]
    found += [ns(table["t"])]
    found += [table[name].to_pylist() for name in ("value", "decimals", "status", "device")]
    found += [ns(table[name]) for name in ("device_t", "received", "stored")]
    assert list(zip(*found, strict=True)) == ward.stored()
    assert table["loinc"].to_pylist() == ["8310-5", "29463-7", "2708-6", "2708-6"]
    assert table["unit"].to_pylist() == ["Cel", "kg", "%", "%"]
    assert table.schema.field("t").type == pa.timestamp("ns", tz="UTC")
    said = table.schema.metadata[b"about"].decode()
    assert "of all patients, all channels, taken from 2026-03-01T00:00:00.000000000Z (inclusive)" in said
    assert table.schema.field("value").metadata[b"says"] == b"the value as the device gave it"


def test_it_is_a_command_of_hjemvakts(ward: Ward) -> None:
    asked = ["readings", "export", *MONTH, "--config", str(ward.config), str(ward.out / "all.csv")]
    assert hjemvakt(asked) == 0
    assert len(ward.rows("all.csv")) == 4


def test_a_csv_file_says_the_same(ward: Ward) -> None:
    assert ward.run("all.csv", *MONTH) == 0
    rows = ward.rows("all.csv")
    assert list(rows[0]) == NAMES
    found = [
        (
            row["patient_id"], row["channel"], nanoseconds(row["t"]), float(row["value"]), int(row["decimals"]),
            row["status"], row["device"], nanoseconds(row["device_t"]) if row["device_t"] else None,
            nanoseconds(row["received"]), nanoseconds(row["stored"]),
        )
        for row in rows
    ]  # fmt: skip
    assert found == ward.stored()
    assert rows[2]["t"] == "2026-03-02T08:00:00.000000001Z"
    assert (rows[2]["value"], rows[2]["status"], rows[2]["device_t"]) == ("94.25", "motion stored", "")


@pytest.mark.parametrize(
    ("more", "values"),
    [
        ((*MONTH, "--patient", "eva"), [36.6, 81.2, 94.25, 93]),
        ((*MONTH, "--channel", "spo2"), [94.25, 93]),
        (
            (*MONTH, "--channel", "spo2", "--channel", "weight", "--patient", "eva", "--patient", "odd"),
            [81.2, 94.25, 93],
        ),
        ((*MONTH, "--patient", "odd"), []),
        (DAY, [36.6, 81.2, 94.25, 93]),
        (("--from", "2026-03-02T09:00+01:00", "--to", "2026-03-02T08:00:00.000001Z"), [36.6, 81.2, 94.25, 93]),
        (("--from", "2026-03-02T08:00:00.000001Z", "--to", "2026-03-03"), []),
        (("--from", "2026-02-27", "--to", "2026-03-02"), []),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_only_what_was_asked_for_is_in_it_and_nothing_is_a_file_too(
    ward: Ward, more: tuple[str, ...], values: list[float], form: str
) -> None:
    assert ward.run(f"some.{form}", *more) == 0
    if form == "csv":
        assert [float(row["value"]) for row in ward.rows("some.csv")] == values
    else:
        table = pq.read_table(ward.out / "some.parquet")
        assert (table["value"].to_pylist(), table.column_names) == (values, NAMES)


def test_a_date_is_midnight_where_the_patients_live(ward: Ward) -> None:
    midnight = START.replace(hour=23, day=1)  # in Oslo
    ward.town.clock.advance(hours=48)
    late = [int(midnight.timestamp()) * NS + n for n in (-1, 0)]
    ward.town.send(spo2(81, late[0]), spo2(82, late[1]), first=10)
    assert ward.run("day.csv", *DAY, "--channel", "spo2") == 0
    assert [row["value"] for row in ward.rows("day.csv")] == ["82.0", "94.25", "93.0"]


def test_what_is_held_or_was_taken_back_is_left_out(ward: Ward) -> None:
    ward.town.clock.advance(hours=1)
    ward.town.send(Block("weight", (START_NS + NS,), (40.0,), 1), device="scale", first=9)
    assert ward.run("all.csv", *MONTH, "--channel", "weight") == 0
    assert [row["value"] for row in ward.rows("all.csv")] == ["81.2"]


def test_the_export_is_in_the_audit_log_under_whom_it_was_done_and_about_whom(ward: Ward) -> None:
    assert ward.run("a.csv", *MONTH, "--patient", "eva", "--patient", "odd", "--channel", "spo2") == 0
    assert ward.run("b.csv", *MONTH) == 0
    columns = audit.c
    with ward.town.server.db.read() as tx:
        query = sa.select(columns.who, columns.patient_id, columns.detail).where(columns.what == "export readings")
        said = [tuple(row) for row in tx.execute(query.order_by(columns.id))]
    span = "2026-03-01T00:00:00.000000000Z to 2026-04-01T00:00:00.000000000Z"
    who = f"cli:{getpass.getuser()}"
    assert said == [
        (who, "eva", f"a.csv: spo2, {span}"), (who, "odd", f"a.csv: spo2, {span}"),
        (who, None, f"b.csv: all channels of everybody, {span}"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "more", "code", "words"),
    [
        ("x.xlsx", MONTH, 2, "use .parquet or .csv"),
        ("x.csv", ("--from", "yesterday", "--to", "2026-03-03"), 2, "--from 'yesterday' is no time: write it as"),
        ("x.csv", ("--from", "2026-02-30", "--to", "2026-03-03"), 2, "'2026-02-30' is no time"),
        ("x.csv", ("--from", "2026-03-01T08:00", "--to", "2026-03-03"), 2, "does not say in which zone"),
        ("x.csv", ("--from", "0001-01-01", "--to", "2026-03-03"), 2, "out of range"),
        ("x.csv", ("--from", "2026-03-03", "--to", "2026-03-03"), 2, "is not later than"),
        ("x.csv", (*MONTH, "--patient", "eve"), 2, "there is no patient 'eve'"),
        ("x.csv", (*MONTH, "--channel", "spo3"), 2, "there is no channel 'spo3': use one of spo2,"),
        ("absent/x.csv", MONTH, 1, "x.csv cannot be written (No such file or directory)"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    ward: Ward, capsys: pytest.CaptureFixture[str], name: str, more: tuple[str, ...], code: int, words: str
) -> None:
    assert ward.run(name, *more) == code
    said = capsys.readouterr().err
    assert words in said
    assert (said.startswith("error: "), said.count("\n")) == (True, 1)
    assert list(ward.out.iterdir()) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # it is about a file
def test_without_a_database_or_with_a_damaged_or_an_older_one_nothing_is_made(
    ward: Ward, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ward.config.write_text('name = "Prøveby"\ndata = "elsewhere"\n', encoding="utf-8")
    assert ward.run("x.csv", *MONTH) == 2
    assert "there is no database" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "elsewhere").mkdir()
    damaged = tmp_path / "elsewhere" / "hjemvakt.sqlite"
    damaged.write_bytes(b"no database at all" * 500)
    assert ward.run("x.csv", *MONTH) == 1
    assert "cannot be read (file is not a database): restore it from a backup" in capsys.readouterr().err
    damaged.unlink()
    damaged.touch()
    assert ward.run("x.csv", *MONTH) == 1
    assert "is of another version: start this version of the server" in capsys.readouterr().err
    assert list(ward.out.iterdir()) == []


def test_the_old_file_stays_until_the_new_one_is_whole_and_only_its_owner_reads_it(ward: Ward) -> None:
    out = ward.out / "x.csv"
    out.write_text("old", encoding="utf-8")

    def failing() -> Iterator[Filed]:
        yield from ()
        raise OSError("the disk is full")

    with pytest.raises(StoreError, match=r"x.csv cannot be written \(the disk is full\)"):
        export(out, Wanted(0, 1), failing())
    assert out.read_text(encoding="utf-8") == "old"
    assert ward.run("x.csv", *MONTH) == 0
    assert len(ward.rows("x.csv")) == 4
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_it_is_read_and_written_in_portions(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.town.send(*(spo2(90, START_NS - n * NS) for n in range(1, 101)), first=10)
    monkeypatch.setattr(storage, "AT_ONCE", 10)
    assert ward.run("all.parquet", *MONTH) == 0
    found = pq.ParquetFile(ward.out / "all.parquet")
    assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [10] * 10 + [4]
    found.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1), st.none() | st.integers(-(2**63), 2**63 - 1)
        ),
        min_size=1,
    )
)
def test_every_number_survives_parquet(tmp_path: Path, rows: list[tuple[float, int, int | None]]) -> None:
    values, times, device = zip(*rows, strict=True)
    some = Filed(
        ("eva",) * len(rows), ("spo2",) * len(rows), times, values, (0,) * len(rows), ("",) * len(rows),
        ("x",) * len(rows), device, times, times,
    )  # fmt: skip
    assert export(tmp_path / "x.parquet", Wanted(0, 1), [some]) == len(rows)
    table = pq.read_table(tmp_path / "x.parquet")
    assert table["value"].to_pylist() == list(values)
    assert (ns(table["t"]), ns(table["device_t"])) == (list(times), list(device))


@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_survives_as_text(t_ns: int, value: float) -> None:
    assert nanoseconds(moment(t_ns)) == t_ns
    assert math.copysign(float(str(value)), 1) == math.copysign(value, 1)


def test_a_moment_is_written_as_everybody_reads_it() -> None:
    assert moment(START_NS + 5) == "2026-03-02T08:00:00.000000005Z"
    assert moment(-1) == "1969-12-31T23:59:59.999999999Z"
    assert nanoseconds("2026-03-02T08:00:00Z") == START_NS
    assert datetime.fromisoformat(moment(START_NS)[:19] + "+00:00") == datetime(2026, 3, 2, 8, tzinfo=UTC)
