"""What is filed can be read back at once and for ever: through folds, restarts, and transactions that come to nothing.

The reference is a plain dict. Restarts, folds and failures come between any two steps.
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server import revisions
from server.corrections.store import Correction, invalidate, reinstate
from server.db import Database
from server.patients.store import patients
from server.readings import chunks, journal, lately
from server.readings import fold as folds
from server.readings.fold import catch_up, fold
from server.readings.memory import memory_of
from server.readings.model import EVER_NS, Occurrence, Reading
from server.readings.sheaf import sheaf
from server.readings.store import events, file, keep, keep_events, latest, series, stored_already, take_back, withdraw
from tests.server.conftest import START_NS
from tests.server.samples import seen
from triage.grid import Need
from vitals.clock import NS

HOUR = 3600 * NS
PEOPLE = ("eva", "odd")
CHANNELS = ("spo2", "weight")
NOW_NS = START_NS + 40 * 24 * HOUR


def opened(path: Path) -> Database:
    db = Database(path)
    revisions.upgrade(db)
    catch_up(db)
    with db.write() as tx:
        for one in PEOPLE:
            if tx.execute(sa.select(patients).where(patients.c.id == one)).first() is None:
                person = {"id": one, "name": one, "birth_year": 1940, "place": "", "programme": "copd", "phone": ""}
                tx.execute(patients.insert().values(**person, conditions=[], limits={}, changed_ns=0))
    return db


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = opened(tmp_path / "db.sqlite")
    yield db
    db.close()


def reading(number: int, hour: int, value: float, patient: str = "eva", channel: str = "spo2", **more: Any) -> Reading:
    given = {"decimals": 1, "status": ("stored",), "device": f"device of {patient}", "record": f"r-{number}"} | more
    t_ns = START_NS + hour * HOUR
    return Reading(patient, channel, t_ns, number.to_bytes(16, "big"), value, device_t_ns=t_ns - 7,
                   received_ns=t_ns + 7, **given)  # fmt: skip


class Life(RuleBasedStateMachine):
    """Steps in any order, after each of which everything that was filed is where it belongs.

    A chunk's parts are so small that weeks have several of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        for module in (chunks, folds):
            patch.setattr(module, "PART", 3)
        patch.setattr(folds, "WEEKS", 2)
        self._path = Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / "db.sqlite"
        self._db = opened(self._path)
        self._truth: dict[bytes, tuple[Reading, int]] = {}
        self._wrong: dict[bytes, Correction] = {}
        self._stored_ns = 1

    def teardown(self) -> None:
        self._db.close()
        self._stack.close()

    batches = st.lists(
        st.tuples(st.integers(0, 25), st.integers(-300, 300), st.sampled_from(PEOPLE), st.sampled_from(CHANNELS)),
        min_size=1, max_size=6,
    )  # fmt: skip

    @rule(batch=batches, fails=st.booleans())
    def files(self, batch: list[tuple[int, int, str, str]], fails: bool) -> None:
        """The first of an identity counts, wherever and whenever it comes."""
        given = [
            reading(number, hour, float(50 + number), patient, channel, device="d")
            for number, hour, patient, channel in batch
        ]
        self._stored_ns += 1
        before = dict(self._truth)
        for one in given:
            if one.identity not in self._wrong:
                self._truth.setdefault(one.identity, (one, self._stored_ns))
        with contextlib.suppress(ZeroDivisionError), self._db.write() as tx:
            new = keep(tx, given, self._stored_ns)
            assert {one.identity for one in new} == self._truth.keys() - before.keys()
            self._look(tx)
            if fails:
                raise ZeroDivisionError
        if fails:
            self._truth = before

    @precondition(lambda self: self._truth)
    @rule(draw=st.data(), fails=st.booleans(), again=st.booleans())
    def takes_back(self, draw: st.DataObject, fails: bool, again: bool) -> None:
        name = draw.draw(st.sampled_from(sorted(self._truth)))
        one, stored_ns = self._truth[name]
        alike = [
            pair for pair in self._truth.values()
            if (pair[0].patient_id, pair[0].t_ns, pair[0].channel) == (one.patient_id, one.t_ns, one.channel)
        ]  # fmt: skip
        before = dict(self._truth)
        with contextlib.suppress(ZeroDivisionError), self._db.write() as tx:
            gone = take_back(tx, one.patient_id, "d", one.t_ns, [one.channel], 5)
            assert sorted(gone, key=repr) == sorted(alike, key=repr)
            for other, _ in gone:
                del self._truth[other.identity]
            self._look(tx)
            if again:
                kept = file(tx, sheaf([one], stored_ns), (), stored_ns, again=True)
                assert kept is not None
                assert kept.filed.sheaf.readings() == [one]
                self._truth[name] = one, stored_ns
            self._look(tx)
            if fails:
                raise ZeroDivisionError
        if fails:
            self._truth = before

    @precondition(lambda self: self._truth)
    @rule(draw=st.data(), fails=st.booleans(), alone=st.booleans())
    def says_that_it_is_wrong(self, draw: st.DataObject, fails: bool, alone: bool) -> None:
        name = draw.draw(st.sampled_from(sorted(self._truth)))
        one, _ = self._truth[name]
        before = dict(self._truth), dict(self._wrong)
        with contextlib.suppress(ZeroDivisionError), self._db.write() as tx:
            done = invalidate(tx, one.patient_id, one.t_ns, name, "other", "", alone=alone, who="w", name="W", now_ns=5)
            assert done is not None
            for other, stored_ns in done.correction.readings:
                assert self._truth.pop(other.identity) == (other, stored_ns)
                self._wrong[other.identity] = done.correction
            assert name in self._wrong
            self._look(tx)
            if fails:
                raise ZeroDivisionError
        if fails:
            self._truth, self._wrong = before

    @precondition(lambda self: self._wrong)
    @rule(draw=st.data(), fails=st.booleans())
    def takes_that_back(self, draw: st.DataObject, fails: bool) -> None:
        correction = self._wrong[draw.draw(st.sampled_from(sorted(self._wrong)))]
        before = dict(self._truth), dict(self._wrong)
        with contextlib.suppress(ZeroDivisionError), self._db.write() as tx:
            reinstate(tx, correction, "why", who="w", name="W", now_ns=6)
            for other, stored_ns in correction.readings:
                del self._wrong[other.identity]
                self._truth[other.identity] = other, stored_ns
            self._look(tx)
            if fails:
                raise ZeroDivisionError
        if fails:
            self._truth, self._wrong = before

    @rule()
    def folds(self) -> None:
        fold(self._db)
        with self._db.read() as tx:
            assert chunks.position(tx) == journal.last_seq(tx)
            assert chunks.stored(tx) == len(self._truth)
            told = latest(tx, None)
            kept = lately.load(tx, PEOPLE)
            assert {patient: of for patient, of in kept.items() if of} == told, "what a fold kept is what is newest"
            for patient in PEOPLE:  # and what an old database is brought over with
                names = chunks.channels(tx, patient)
                found = lately.looked_up(tx, patient, names, journal.nothing(), set())
                assert found == told.get(patient, {})

    @rule()
    def starts_again(self) -> None:
        self._db.close()
        self._db = opened(self._path)

    @invariant()
    def everybody_sees_the_same(self) -> None:
        with self._db.read() as tx:
            self._look(tx)

    def _look(self, tx: sa.Connection) -> None:
        truth = [one for one, _ in self._truth.values()]
        assert stored_already(tx, truth) == self._truth.keys()
        wrong = [one for correction in self._wrong.values() for one, _ in correction.readings]
        assert stored_already(tx, wrong) == self._wrong.keys(), "what does not count is known all the same"
        assert not stored_already(tx, [reading(99, 0, 60.0, device="d")])
        newest = latest(tx, None)
        needs = {channel: Need(30 * 86_400, 3) for channel in CHANNELS}
        samples = seen(tx, PEOPLE, needs, START_NS + 200 * HOUR)
        for patient in PEOPLE:
            for channel in CHANNELS:
                mine = sorted(
                    (one.t_ns, one.value) for one in truth if (one.patient_id, one.channel) == (patient, channel)
                )
                found = series(tx, patient, channel, *EVER_NS)
                assert list(zip(found.t_ns, found.value, strict=True)) == mine
                some = series(tx, patient, channel, START_NS, START_NS + 100 * HOUR)
                assert some.t_ns == [t_ns for t_ns, _ in mine if START_NS <= t_ns <= START_NS + 100 * HOUR]
                told = newest.get(patient, {}).get(channel)
                assert (told and (told.t_ns, told.value)) == (mine[-1] if mine else None)
                if told:
                    self._told(told.stored_ns, told.before_value, mine)
                wanted = [one for one in mine if one[0] <= START_NS + 200 * HOUR][-3:]
                ring = [(one.t_ns, one.value) for one in samples if (one.patient, one.channel) == (patient, channel)]
                assert ring == wanted

    def _told(self, stored_ns: int, before: float | None, mine: list[tuple[int, float]]) -> None:
        t_ns, value = mine[-1]
        assert stored_ns in {at for one, at in self._truth.values() if (one.t_ns, one.value) == (t_ns, value)}
        wanted = [value for at, value in mine if t_ns - 36 * HOUR <= at <= t_ns - 20 * HOUR]
        assert before == (wanted[-1] if wanted else None)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


def test_all_that_was_said_of_a_reading_comes_back_from_the_chunks(db: Database) -> None:
    given = [
        reading(1, 0, 97.25, decimals=2, status=("motion", "stored"), record=None),
        reading(2, 1, 70.0, decimals=-1, status=(), channel="pulse_rate"),
        msgspec.structs.replace(reading(3, 2, 71.0, "odd"), device_t_ns=None),
    ]
    with db.write() as tx:
        keep(tx, given, 77)
    fold(db)
    db.close()
    with db.read() as tx:
        back = [chunks.parts(tx, one.patient_id, one.t_ns // chunks.WEEK_NS) for one in given]
    found = {one.identity: one for parts in back for part in parts for one in part.sheaf.readings()}
    assert [found[one.identity] for one in given] == given
    assert all(part.sheaf.rows["stored_ns"].tolist() == [77] * len(part.sheaf) for parts in back for part in parts)


def test_a_reader_sees_all_of_a_batch_or_nothing_and_the_writer_sees_it_at_once(db: Database) -> None:
    batch = [reading(n, n, 90.0) for n in range(3)]
    with db.write() as tx:
        keep(tx, batch[:2], 1)
        keep(tx, batch[2:], 1)
        assert len(series(tx, "eva", "spo2", *EVER_NS).value) == 3
        seen: list[int] = []
        reader = threading.Thread(target=lambda: seen.append(_count(db)))
        reader.start()
        reader.join(10)
        assert seen == [0]
    assert _count(db) == 3


def test_who_began_to_read_before_a_fold_reads_the_same_after_it(db: Database) -> None:
    with db.write() as tx:
        keep(tx, [reading(1, 0, 90.0)], 1)
    with db.read() as tx:
        assert series(tx, "eva", "spo2", *EVER_NS).value == [90]
        for more in range(3):  # what the first fold took is out of memory by the third
            folding = threading.Thread(target=_files_and_folds, args=(db, more + 2))
            folding.start()
            folding.join(20)
            assert series(tx, "eva", "spo2", *EVER_NS).value[:1] == [90]
            assert chunks.position(tx) == 0, "it is still the view from before"
    assert _count(db) == 4
    with db.read() as tx:
        assert chunks.position(tx) == 4


def test_who_began_long_ago_leaves_no_gap_and_nothing_stale_in_memory(db: Database) -> None:
    """What came and was folded since is in no chunk that they see, and in memory no longer: they see how it was."""
    with db.write() as tx:
        keep(tx, [reading(1, 1, 91.0), reading(2, 1, 80.0, "odd"), reading(3, 2, 81.0, "odd")], 1)
    with db.read() as early, db.read() as later:
        assert chunks.position(early) == 0
        with db.write() as tx:
            keep(tx, [reading(4, 9, 99.0)], 2)
            take_back(tx, "odd", "device of odd", START_NS + 2 * HOUR, ["spo2"], 2)
        assert chunks.position(later) == 0
        for number in (5, 6, 7):
            folding = threading.Thread(target=_files_and_folds, args=(db, number))
            folding.start()
            folding.join(20)
        for tx, eva, odd in ((early, [91], [80, 81]), (later, [91, 99], [80])):
            assert series(tx, "eva", "spo2", *EVER_NS).value == eva
            assert series(tx, "odd", "spo2", *EVER_NS).value == odd
            assert [latest(tx, [one])[one]["spo2"].value for one in PEOPLE] == [eva[-1], odd[-1]]
    with db.read() as tx:
        assert {one: of["spo2"].value for one, of in latest(tx, PEOPLE).items()} == {"eva": 99, "odd": 80}


def test_a_fold_goes_some_people_at_a_time_and_no_further_than_it_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.readings.fold.PEOPLE", 1)
    for number, patient in enumerate(("eva", "odd", "eva", "odd")):
        with db.write() as tx:
            keep(tx, [reading(number, number, 90.0 + number, patient)], 1)
    positions = []
    while fold(db, up_to=3):
        with db.read() as tx:
            positions.append(chunks.position(tx))
            assert series(tx, "eva", "spo2", *EVER_NS).value == [90, 92]
            assert series(tx, "odd", "spo2", *EVER_NS).value == [91, 93]
    assert positions == [1, 2, 3], "one person at a time, and what comes meanwhile is for another time"
    assert fold(db) == 1
    assert fold(db) == 0


def test_a_fold_that_was_stored_though_its_commit_seemed_to_fail_is_not_done_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke when the answer was on its way."""
    write = db.write

    @contextlib.contextmanager
    def cut_off() -> Iterator[sa.Connection]:
        with write() as tx:
            yield tx
        raise ConnectionError

    with db.write() as tx:
        keep(tx, [reading(1, 0, 91.0), reading(2, 1, 92.0)], 1)
    monkeypatch.setattr(db, "write", cut_off)
    with pytest.raises(ConnectionError):
        fold(db)
    monkeypatch.undo()
    with db.write() as tx:
        keep(tx, [reading(3, 2, 93.0)], 2)
    assert fold(db) == 1
    assert fold(db) == 0
    with db.read() as tx:
        assert series(tx, "eva", "spo2", *EVER_NS).value == [91, 92, 93]
        assert chunks.stored(tx) == 3


def test_of_two_servers_on_one_database_only_one_folds_a_row(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that stood by has taken over, and the other has yet to notice."""
    with db.write() as tx:
        keep(tx, [reading(1, 0, 91.0)], 1)
    other = opened(tmp_path / "db.sqlite")  # which folds what there is before it begins
    assert fold(db) == 0
    with other.write() as tx:
        keep(tx, [reading(2, 1, 92.0)], 2)
    with db.write() as tx:
        keep(tx, [reading(3, 2, 93.0)], 3)
    plan = folds.planned

    def planned(*given: Any) -> folds.Plan:
        monkeypatch.undo()
        assert fold(other) == 1
        return plan(*given)

    monkeypatch.setattr(folds, "planned", planned)
    assert fold(db) == 0, "the other one did it meanwhile"
    assert [fold(db), fold(other)] == [1, 0]
    for one in (db, other):
        with one.read() as tx:
            assert series(tx, "eva", "spo2", *EVER_NS).value == [91, 92, 93]
            assert (chunks.stored(tx), chunks.position(tx)) == (3, 3)
    for number in (4, 5):
        _files_and_folds(other, number)
        assert fold(db) == 0
    with db.write() as tx:
        assert keep(tx, [reading(4, 4, 94.0), reading(5, 5, 95.0), reading(6, 6, 96.0)], 6) == [reading(6, 6, 96.0)]
    with db.read() as tx:
        assert latest(tx, ["eva"])["eva"]["spo2"].value == 96
    other.close()


@pytest.mark.parametrize("weeks", [1, 20])
def test_a_hub_that_says_another_status_with_each_reading_stops_no_fold(tmp_path: Path, weeks: int) -> None:
    """There are more than a sheaf can number: in what waits, in the weeks that it goes into, and in one week alone."""
    db, at_once = opened(tmp_path / "db.sqlite"), 22_000
    mad = [reading(n, n % weeks * 168, 90.0, status=(f"s{n:05}",)) for n in range(3 * at_once)]
    for start in range(0, len(mad), at_once):
        with db.write() as tx:
            keep(tx, mad[start : start + at_once], 1)
    assert fold(db) == 2 * at_once
    with db.write() as tx:
        withdraw(tx, [mad.pop()], 2)
    db.close()
    db = opened(tmp_path / "db.sqlite")
    with db.read() as tx:
        assert chunks.position(tx) == 4
        parts = [part for week in chunks.weeks(tx, "eva") for part in chunks.parts(tx, "eva", week)]
        assert sorted((one for part in parts for one in part.sheaf.readings()), key=lambda one: one.identity) == mad
        newest = max(mad, key=lambda one: (one.t_ns, one.status))
        assert latest(tx, ["eva"])["eva"]["spo2"].status == newest.status
    db.close()


def test_of_two_readings_of_one_moment_the_same_is_newest_before_the_fold_and_after_a_restart(tmp_path: Path) -> None:
    db = opened(tmp_path / "db.sqlite")
    with db.write() as tx:
        keep(tx, [reading(1, 0, 90.0)], 1)
    with db.read() as tx:
        assert latest(tx, ["eva"])["eva"]["spo2"].value == 90
    same = [reading(2, 24, 91.0, decimals=1, device="a"), reading(3, 24, 91.0, decimals=0, device="b")]
    with db.write() as tx:
        keep(tx, [*same, reading(4, 24, 70.0)], 1)
    with db.read() as tx:
        newest = latest(tx, ["eva"])["eva"]["spo2"]
    assert (newest.value, newest.decimals, newest.before_value) == (91, 1, 90)
    fold(db)
    db.close()
    db = opened(tmp_path / "db.sqlite")
    with db.read() as tx:
        assert latest(tx, ["eva"])["eva"]["spo2"] == newest
    db.close()


def test_a_reading_of_another_time_and_another_person_is_known_by_its_identity_after_a_restart(tmp_path: Path) -> None:
    """The device's record is the same; only the assignment was mended and the clock corrected since."""
    db = opened(tmp_path / "db.sqlite")
    with db.write() as tx:
        keep(tx, [reading(n, n, 90.0, device="d") for n in range(100)], 1)
    fold(db)
    db.close()
    db = opened(tmp_path / "db.sqlite")
    with db.write() as tx:
        assert keep(tx, [reading(n, n + 5000, 90.0, "odd", device="d") for n in range(101)], 2) == [
            reading(100, 5100, 90.0, "odd", device="d")
        ]
    db.close()


def test_events_are_in_the_journal_and_seen_by_the_rules_as_soon_as_they_are_filed(db: Database) -> None:
    jam = Occurrence("eva", START_NS, b"j" * 16, "dispenser.jam", {"dose_id": 4}, "dispenser.jam", 4.0, "box", "7",
                     None, START_NS)  # fmt: skip
    needs = {"dispenser.jam": Need(86_400, 4), "dispenser.empty": Need(0, 1)}
    with db.write() as tx:
        assert seen(tx, ["eva"], needs, START_NS) == []
        assert keep_events(tx, [jam, jam], 1) == [jam]
        assert [one.value for one in seen(tx, ["eva"], needs, START_NS)] == [4]
        assert seen(tx, ["eva"], needs, START_NS - 1) == []
        assert keep_events(tx, [jam], 1) == []
    fold(db)
    with db.read() as tx:
        assert [one.value for one in seen(tx, ["eva"], needs, START_NS + 1)] == [4]
        assert events(tx, "eva", 0, 2**62) == [jam]
        assert [entry.events for entry in journal.read(tx, 0, 9)] == [(jam,)]
        assert memory_of(tx).shelf.unfolded(1) == ([], 0), "what has no readings is folded, too"


@pytest.mark.parametrize("stored", [True, False])
def test_a_transaction_whose_end_nobody_tells_is_as_the_database_has_it(db: Database, stored: bool) -> None:
    """A connection that is lost in the middle of a commit says nothing; the next one looks."""
    needs = {"spo2": Need(86_400, 5)}
    with db.write() as tx:
        keep(tx, [reading(1, 0, 91.0)], 1)
        shelf = memory_of(tx).shelf
    with db.read() as tx:
        assert [one.value for one in seen(tx, ["eva"], needs, START_NS)] == [91]
        assert latest(tx, ["eva"])["eva"]["spo2"].value == 91
    with contextlib.suppress(ZeroDivisionError), db.write() as tx:
        sa.event.remove(db.engine, "checkin", shelf.returned)
        keep(tx, [reading(2, -1, 92.0)], 1)
        if not stored:
            raise ZeroDivisionError
    sa.event.remove(db.engine, "begin", shelf.begun)
    with db.write() as tx:
        new = keep(tx, [reading(2, -1, 92.0), reading(3, -2, 93.0)], 1)
        assert sorted(one.value for one in new) == ([93] if stored else [92, 93])
    sa.event.listen(db.engine, "checkin", shelf.returned)
    with db.write() as tx:
        keep(tx, [reading(4, -3, 94.0)], 1)
    with db.read() as tx:
        assert sorted(series(tx, "eva", "spo2", *EVER_NS).value) == [91, 92, 93, 94]
        assert sorted(one.value for one in seen(tx, ["eva"], needs, START_NS)) == [91, 92, 93, 94]


@pytest.mark.parametrize("stored", [True, False])
def test_what_nobody_knows_to_be_stored_is_shown_as_the_newest_only_if_it_is(db: Database, stored: bool) -> None:
    with db.write() as tx:
        keep(tx, [reading(1, 0, 91.0)], 1)
        shelf = memory_of(tx).shelf
    with db.read() as tx:
        assert latest(tx, ["eva"])["eva"]["spo2"].value == 91
    with contextlib.suppress(ZeroDivisionError), db.write() as tx:
        sa.event.remove(db.engine, "checkin", shelf.returned)
        keep(tx, [reading(2, 1, 92.0)], 1)
        if not stored:
            raise ZeroDivisionError
    sa.event.remove(db.engine, "begin", shelf.begun)
    with db.write() as tx:
        keep(tx, [reading(3, -2, 93.0)], 1)
    sa.event.listen(db.engine, "checkin", shelf.returned)
    with db.write() as tx:
        keep(tx, [reading(4, -3, 94.0)], 1)
    with db.read() as tx:
        assert series(tx, "eva", "spo2", *EVER_NS).value == [94, 93, 91, 92][: 3 + stored]
        assert latest(tx, ["eva"])["eva"]["spo2"].value == 91 + stored


def _files_and_folds(db: Database, number: int) -> None:
    with db.write() as tx:
        keep(tx, [reading(number, number, 90.0 + number)], 1)
    fold(db)


def _count(db: Database) -> int:
    with db.read() as tx:
        return len(series(tx, "eva", "spo2", *EVER_NS).value)
