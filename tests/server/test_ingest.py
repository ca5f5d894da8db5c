"""What becomes of the messages that gateways send: each reading once, under the right person, or set aside."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from server.fleet.store import quarantine
from server.ingest import pile, store
from server.ingest.come import Come
from server.ingest.parcel import Parcel
from server.readings import journal
from server.readings.store import events, latest
from tests.server.conftest import START_NS, Town, acknowledged, at, broken, spo2
from vitals.block import Block
from vitals.clock import NS
from vitals.errors import StoreError
from vitals.events import Event, Fault
from vitals.wire import MAX_BYTES, Batch, Row, encode, up

DAY = 24 * 3600 * NS


def test_a_reading_is_stored_and_acknowledged(town: Town) -> None:
    assert town.send(spo2(94, START_NS), spo2(95, START_NS)) == [(0, 1)]
    assert sorted(town.values("eva")) == [94, 95]


def test_all_its_times_and_words_are_kept(town: Town) -> None:
    town.send(Block("spo2", (START_NS - 7,), (94.0,), 1, ("motion", "stored"), "r-12", START_NS - 3600 * NS))
    with town.server.db.read() as tx:
        (entry,) = journal.read(tx, 0, 10)
        newest = latest(tx, ["eva"])["eva"]["spo2"]
    (one,) = entry.readings
    assert (one.t_ns, one.device_t_ns, one.received_ns) == (START_NS - 7, START_NS - 3600 * NS, START_NS)
    assert (one.device, one.record, one.decimals, one.status) == ("oximeter", "r-12", 1, ("motion", "stored"))
    assert (newest.t_ns, newest.stored_ns, newest.decimals, newest.status) == (
        START_NS - 7, START_NS, 1, ("motion", "stored")
    )  # fmt: skip


def test_a_batch_that_comes_twice_is_acknowledged_twice_and_stored_once(town: Town) -> None:
    message = town.batch(town.rows(spo2(94, START_NS), spo2(95, START_NS + NS)))
    assert town.server.receive(*message) == town.server.receive(*message)
    assert town.values("eva") == [94, 95]


def test_a_crash_between_the_commit_and_the_acknowledgement_loses_and_doubles_nothing(town: Town) -> None:
    message = town.batch(town.rows(spo2(94, START_NS), spo2(95, START_NS + NS)))
    town.server.receive(*message)  # committed; the answer never left
    town.begin_again()
    assert acknowledged(town.server.receive(*message)) == [(0, 1)]
    assert town.values("eva") == [94, 95]


def test_where_the_database_cannot_take_it_nothing_is_acknowledged_and_later_it_can(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = town.batch(town.rows(spo2(94, START_NS)))
    with monkeypatch.context() as patch:
        patch.setattr(Come, "remember", _disk_full)
        with pytest.raises(sa.exc.OperationalError):
            town.server.receive(*message)
    assert town.values("eva") == []
    assert acknowledged(town.server.receive(*message)) == [(0, 0)]
    assert town.values("eva") == [94]


def test_of_a_full_disk_no_message_is_to_blame(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is met in the middle of what is asked of the driver itself."""
    town, room = Town(tmp_path), 30

    def full(tx: sa.Connection) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages + room}")

    sa.event.listen(town.server.db.engine, "begin", full)
    rows = town.rows(*(spo2(70 + n % 30, START_NS - n * NS) for n in range(4_000)))
    messages = [town.batch(rows[start : start + 200]) for start in range(0, len(rows), 200)]
    with pytest.raises(sqlite3.OperationalError, match="full") as raised:
        town.server.receive_many(messages)
    assert (town.server.db.writes.failed, town.server.db.writes.failure) == (1, raised.value)
    assert town.aside() == caplog.messages == []
    room = 10_000
    assert len(acknowledged(town.server.receive_many(messages))) == len(messages)
    assert len(town.values("eva")) == len(rows)
    town.server.close()


def test_a_row_the_server_stumbles_over_is_set_aside_and_its_neighbours_are_stored(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is acknowledged, or it would keep a place of the gateway's window for ever."""
    real = pile.file

    def stumbling(row: Row, *rest: object) -> object:
        if row.seq == 1:
            raise ZeroDivisionError
        return real(row, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pile, "file", stumbling)
    monkeypatch.setattr(
        pile, "ordinary", lambda parcels, *rest: [stumbling(row, *rest) for one in parcels for row in one.rows]
    )
    assert town.send(spo2(94, START_NS), spo2(66, START_NS), spo2(95, START_NS + NS)) == [(0, 2)]
    assert town.values("eva") == [94, 95]
    assert town.aside() == ["server error"]
    with town.server.db.read() as tx:
        assert b"66" in quarantine(tx, 1)[0].data


def test_a_message_the_server_stumbles_over_holds_nobody_up(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is stored, so it is not acknowledged: the gateway keeps it until the server is mended."""
    good = town.batch(town.rows(spo2(94, START_NS)))
    bad = town.batch(town.rows(spo2(66, START_NS)), epoch="bad")
    real = pile.Pile._new

    def stumbling(self: pile.Pile, parcel: Parcel) -> object:
        if parcel.epoch == "bad":
            raise ZeroDivisionError
        return real(self, parcel)

    monkeypatch.setattr(pile.Pile, "_new", stumbling)
    assert len(town.server.receive_many([bad, good])) == 1
    assert town.values("eva") == [94]
    assert town.aside() == ["server error"]


def test_two_readings_of_one_moment_are_two(town: Town) -> None:
    town.send(spo2(94, START_NS), spo2(94, START_NS))
    assert town.values("eva") == [94, 94]


def test_a_record_that_the_device_sends_again_is_one_reading_even_through_another_gateway(town: Town) -> None:
    town.send(spo2(94, START_NS, record="r-1"))
    town.send(spo2(94, START_NS + 5, record="r-1"), first=1)
    again = Batch("gw-2", "other", START_NS, town.rows(spo2(94, START_NS + 9, record="r-1")))
    assert acknowledged(town.server.receive(up("gw-2", "backlog"), encode(again))) == [(0, 0)]
    assert town.values("eva") == [94]


def test_the_devices_own_time_tells_readings_apart_unless_its_clock_was_never_set(town: Town) -> None:
    town.send(spo2(94, START_NS, device_t_ns=5), spo2(94, START_NS + NS, device_t_ns=5))
    assert town.values("eva") == [94]
    unset = {"device_t_ns": 7, "status": ("clock_unset",)}
    town.send(spo2(91, START_NS, **unset), spo2(91, START_NS + NS, **unset), first=2)
    assert sorted(town.values("eva")) == [91, 91, 94]


def test_a_reading_belongs_to_whoever_had_the_device_when_it_was_taken(town: Town) -> None:
    """The scale was Odd's until noon on the first, and Eva's from six in the evening."""
    times = [at("2026-03-01T11:59:59"), at("2026-03-01T18:00:00")]
    town.send(*(Block("weight", (t,), (70.0 + n,)) for n, t in enumerate(times)), device="scale")
    assert (town.values("odd", "weight"), town.values("eva", "weight")) == ([70], [71])


def test_what_belongs_to_nobody_is_set_aside_with_its_bytes_and_acknowledged(town: Town) -> None:
    between = at("2026-03-01T12:00:00")
    assert town.send(Block("weight", (between,), (70.0,)), device="scale") == [(0, 0)]
    assert town.send(spo2(94, START_NS), first=1, device="found in a drawer") == [(1, 1)]
    assert town.aside() == ["no patient", "no patient"]
    with town.server.db.read() as tx:
        kept = quarantine(tx, 10)[-1]
    assert msgspec.json.decode(kept.data)["what"]["value"] == [70.0]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (spo2(94, START_NS + 301 * NS), "future"),
        (spo2(94, at("2019-12-31T23:59:59")), "past"),
        (spo2(101, START_NS), "implausible"),
        (Block("spo3", (START_NS,), (94.0,)), "unknown channel"),
        (Block("spo2", (), ()), "does not parse"),
        (Block("spo2", (START_NS,), (94.0, 95.0)), "does not parse"),
        (spo2(94, START_NS, device_t_ns=2**70), "does not parse"),
        (spo2(94, START_NS, decimals=10**9), "does not parse"),
        (spo2(94, 2**80), "future"),
        (Event("dispenser.missed", START_NS + DAY), "future"),
        (Fault("short packet", "3 bytes of 5", START_NS, data=b"\x01"), "short packet"),
    ],
)
def test_what_cannot_be_filed_is_set_aside_and_its_neighbours_are_not(
    town: Town, what: Block | Event | Fault, reason: str
) -> None:
    assert town.send(spo2(93, START_NS), what, spo2(95, START_NS + NS)) == [(0, 2)]
    assert town.values("eva") == [93, 95]
    assert town.aside() == [reason]


def test_a_batch_with_the_name_of_a_field_damaged_is_set_aside_whole(town: Town) -> None:
    """A field that nobody knows is passed over when it is read, and what it said would be lost without a word."""
    topic, payload = town.batch(town.rows(spo2(94, START_NS)))
    assert town.server.receive(topic, broken(payload, b'"boots"', b'"bo\xf8ts"')) == []
    assert (town.values("eva"), town.aside()) == ([], ["does not parse"])


def test_a_row_that_does_not_parse_does_not_spoil_its_batch(town: Town) -> None:
    topic, payload = town.batch(town.rows(spo2(93, START_NS), spo2(94, START_NS), spo2(95, START_NS + NS)))
    spoilt = broken(payload, b"[94]", b'"ninety-four"')
    assert acknowledged(town.server.receive(topic, spoilt)) == [(0, 2)]
    assert town.values("eva") == [93, 95]
    assert town.aside() == ["does not parse"]


def test_a_damaged_copy_of_a_row_does_not_take_the_place_of_the_whole_one(town: Town) -> None:
    topic, payload = town.batch(town.rows(spo2(93, START_NS), spo2(94, START_NS)))
    spoilt = broken(payload, b"[94]", b'"ninety-four"')
    for copy in (spoilt, spoilt, payload, spoilt):
        assert acknowledged(town.server.receive(topic, copy)) == [(0, 1)]
    assert sorted(town.values("eva")) == [93, 94]
    assert town.aside() == ["does not parse"]


def test_a_message_whose_versions_name_is_damaged_is_refused_whole(town: Town) -> None:
    topic, payload = town.batch(town.rows(spo2(93, START_NS)))
    spoilt = payload.replace(b'"v"', b'"\xff"')
    assert town.server.receive(topic, spoilt) == []
    assert (town.values("eva"), town.aside()) == ([], ["does not parse"])


def test_a_row_whose_fields_name_is_damaged_is_not_read_as_one_without_that_field(town: Town) -> None:
    topic, payload = town.batch(town.rows(spo2(93, START_NS, record="17")))
    town.server.receive(topic, broken(payload, b'"record"', b'"rec\xffrd"'))
    assert (town.values("eva"), town.aside()) == ([], ["does not parse"])


UNREADABLE = [b"", b"{", b"\xff\xfe", b"[]", b'{"gateway":"gw-1"}', b"[" * 5000, b" " * (MAX_BYTES + 1), b'"\\ud800"']


@pytest.mark.parametrize("topic", ["up/obs", "up/health", "state", "up/gossip", "down/ack"])
def test_a_message_that_cannot_be_read_is_kept_and_not_acknowledged(town: Town, topic: str) -> None:
    for payload in UNREADABLE:
        assert town.server.receive(f"hjemvakt/1/gw-1/{topic}", payload) == []
    with town.server.db.read() as tx:
        assert {one.data for one in quarantine(tx, 100)} == set(UNREADABLE)
    assert "server error" not in town.aside()


@pytest.mark.parametrize(("find", "put"), [(b'"seq":0', b'"seq":-1'), (b'"seq":0', b'"seq":99999999999999999999')])
def test_a_number_that_no_gateway_counts_to_is_refused_whole(town: Town, find: bytes, put: bytes) -> None:
    topic, payload = town.batch(town.rows(spo2(93, START_NS)))
    assert town.server.receive(topic, broken(payload, find, put)) == []
    assert town.aside() == ["does not parse"]


def test_a_gateway_that_speaks_in_anothers_name_is_not_believed(town: Town) -> None:
    _, payload = town.batch(town.rows(spo2(60, START_NS)), gateway="gw-1")
    assert town.server.receive(up("gw-2", "obs"), payload) == []
    assert (town.values("eva"), town.aside()) == ([], ["foreign gateway"])


def test_a_gateway_that_nobody_has_heard_of_is_not_believed_either(town: Town) -> None:
    assert town.server.receive(*town.batch(town.rows(spo2(60, START_NS)), gateway="gw-9")) == []
    assert (town.values("eva"), town.aside()) == ([], ["unknown gateway"])


def test_the_same_bad_message_again_and_again_is_one_row_with_a_count(town: Town) -> None:
    for _ in range(5):
        town.server.receive(up("gw-1", "obs"), b"{")
    with town.server.db.read() as tx:
        (kept,) = quarantine(tx, 10)
    assert (kept.times, kept.data) == (5, b"{")


def test_an_event_is_stored_once_and_two_kinds_of_one_moment_are_two(town: Town) -> None:
    missed = Event("dispenser.missed", START_NS, {"dose_id": 3}, record="7")
    town.send(missed, missed, Event("dispenser.jam", START_NS, record="7"))
    with town.server.db.read() as tx:
        assert [one.kind for one in events(tx, "eva", 0, 2**62)].count("dispenser.missed") == 1
        assert len(events(tx, "eva", 0, 2**62)) == 2


def test_the_journal_has_what_was_filed_and_a_repetition_adds_nothing(town: Town) -> None:
    message = town.batch(town.rows(spo2(94, START_NS), Event("dispenser.jam", START_NS, record="7")))
    town.server.receive_many([message, message])
    town.server.receive(*message)
    with town.server.db.read() as tx:
        (entry,) = journal.read(tx, 0, 10)
        assert journal.read(tx, entry.seq, 10) == []
        assert store.stored(tx) == 2
    assert [(one.patient_id, one.channel, one.value) for one in entry.readings] == [("eva", "spo2", 94)]
    assert [(one.patient_id, one.kind) for one in entry.events] == [("eva", "dispenser.jam")]
    assert entry.stored_ns == START_NS


def test_a_damaged_row_of_the_journal_is_not_taken_for_one(town: Town) -> None:
    town.send(spo2(94, START_NS))
    with town.server.db.write() as tx:
        (row,) = tx.execute(sa.select(journal.journal)).all()
        tx.execute(journal.journal.update().values(blob=broken(row.blob, b"spo2", b"spo3")))
    with town.server.db.read() as tx, pytest.raises(StoreError, match=r"row 1 .* is damaged: restore"):
        journal.read(tx, 0, 10)


ROWS = 24


@settings(max_examples=25, deadline=None)
@given(
    sent=st.lists(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=10), min_size=1, max_size=12),
    together=st.lists(st.integers(1, 4), min_size=1),
)
def test_however_batches_are_split_shuffled_and_repeated_each_reading_is_stored_once(
    sent: Sequence[Sequence[int]], together: Sequence[int]
) -> None:
    with TemporaryDirectory() as folder:
        town = Town(Path(folder))
        rows = town.rows(*(spo2(70 + n, START_NS + n * NS) for n in range(ROWS)))
        messages = [town.batch(rows[n] for n in numbers) for numbers in [*sent, range(ROWS)]]
        answers = []
        while messages:
            size = together[len(answers) % len(together)]
            answers += town.server.receive_many(messages[:size])
            messages = messages[size:]
        assert town.values("eva") == [70 + n for n in range(ROWS)]
        assert town.aside() == []
        assert len(answers) == len(sent) + 1
        with town.server.db.read() as tx:
            assert store.stored(tx) == ROWS
        town.server.close()


def _disk_full(*_: object) -> None:
    raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))
