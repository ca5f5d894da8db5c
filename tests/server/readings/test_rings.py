"""What the rules see of a patient is what is filed of him, whatever came of the transactions before."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from server.db import Database
from server.readings.fold import fold
from server.readings.memory import memory_of
from server.readings.model import Occurrence, Reading
from server.readings.store import keep, keep_events, take_back, window
from tests.server.readings.test_shelf import HOUR, NOW_NS, PEOPLE, opened
from triage.catalogue import catalogue
from triage.contract import Finding, Rule, Window, levels, rule
from triage.grid import Sample, limits_of
from triage.grid import window as made_of_samples
from vitals.clock import NS


@rule(version="1", reads=("weight",), tracks=("weight",), window_s=3600, text={"nb": "", "en": ""})
def weighed(w: Window) -> Finding:
    """No rule of the catalogue: the state was not made for it, and the shelf is asked."""
    return Finding(levels(w.patients), {"mean": w.track["weight"].mean})


RULES: tuple[Rule, ...] = tuple(catalogue().values())


class Ward:
    """A database, and what was filed in it."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = Random(seed)
        self.db = opened(path)
        self.truth: dict[bytes, tuple[Reading | Occurrence, Sample]] = {}
        self.now_ns = NOW_NS
        self._number = 0

    def files(self) -> None:
        """Readings and events, in one transaction that may come to nothing, with a look before its end."""
        fails, before = self.random.random() < 0.3, dict(self.truth)
        with contextlib.suppress(ZeroDivisionError), self.db.write() as tx:
            for _ in range(self.random.choice((1, 2))):
                new = [self._reading() for _ in range(self.random.choice((1, 5, 50)))]
                keep(tx, new, self.now_ns)
                happened = [self._event() for _ in range(self.random.choice((0, 1)))]
                keep_events(tx, happened, self.now_ns)
                for one in (*new, *happened):
                    self.truth[one.identity] = one, _sample(one)
                if self.random.random() < 0.7:
                    self.look(tx)
            if fails:
                raise ZeroDivisionError
        if fails:
            self.truth = before

    def takes_back(self) -> None:
        readings = [one for one, _ in self.truth.values() if isinstance(one, Reading)]
        if not readings:
            return
        one = self.random.choice(readings)
        with self.db.write() as tx:
            gone = take_back(tx, one.patient_id, one.device, one.t_ns, [one.channel], self.now_ns)
            for reading, _ in gone:
                del self.truth[reading.identity]
            self.look(tx)

    def folds(self) -> None:
        fold(self.db)

    def restarts(self) -> None:
        self.db.close()
        self.db = opened(self.path)

    def later(self) -> None:
        self.now_ns += self.random.choice((1, 30)) * 24 * HOUR

    def look(self, tx: sa.Connection) -> None:
        samples = [sample for _, sample in self.truth.values()]
        for rules in (RULES, (weighed,)):
            limit = limits_of(rules, PEOPLE, {})
            seen = window(tx, PEOPLE, rules, limit, self.now_ns)
            _same(seen, made_of_samples(self.now_ns, PEOPLE, samples, rules, {}))

    def _reading(self) -> Reading:
        self._number += 1
        channel = self.random.choice(("spo2", "weight", "pulse_rate"))
        t_ns = self.now_ns - self.random.choice((0, 1, 20, 24 * 40, 24 * 100)) * HOUR - self.random.randint(0, 50) * NS
        status = self.random.choice(((), ("motion",)))
        value = float(self.random.randint(50, 99))
        return Reading(self.random.choice(PEOPLE), channel, t_ns, self._identity(), value, 0, status, "d",
                       f"r{self._number}", t_ns, t_ns)  # fmt: skip

    def _event(self) -> Occurrence:
        self._number += 1
        t_ns = self.now_ns - self.random.randint(0, 200) * HOUR
        who, what = self.random.choice(PEOPLE), "dispenser.missed"
        dose, record = float(self._number % 3), f"r{self._number}"
        return Occurrence(who, t_ns, self._identity(), what, {}, what, dose, "d", record, t_ns, t_ns)

    def _identity(self) -> bytes:
        return self._number.to_bytes(16, "big")


def _sample(one: Reading | Occurrence) -> Sample:
    if isinstance(one, Reading):
        return Sample(one.patient_id, one.channel, one.t_ns, one.value, one.good)
    return Sample(one.patient_id, one.sample, one.t_ns, one.sample_value)


def _same(seen: Window, expected: Window) -> None:
    for what in ("channel", "event", "track"):
        mine, its = getattr(seen, what), getattr(expected, what)
        assert mine.keys() == its.keys()
        for name in mine:
            for column, array in vars(mine[name]).items():
                np.testing.assert_array_equal(array, getattr(its[name], column), f"{what} {name} {column}")
    for name, trusted in seen.quality.items():
        np.testing.assert_array_equal(trusted, expected.quality[name], name)
    assert seen.limit.keys() == expected.limit.keys()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_rules_see_what_is_filed_through_failures_withdrawals_folds_and_restarts(seed: int) -> None:
    with TemporaryDirectory() as folder:
        ward = Ward(Path(folder) / "db.sqlite", seed)
        for _ in range(8):
            ward.random.choice((ward.files, ward.files, ward.files, ward.takes_back, ward.folds, ward.restarts,
                                ward.later))()  # fmt: skip
            with ward.db.write() as tx:
                ward.look(tx)
        ward.db.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = opened(tmp_path / "db.sqlite")
    yield db
    db.close()


def test_whoever_looks_beside_a_transaction_sees_nothing_of_it(db: Database) -> None:
    """Not even where it has already shown its own to the rules."""
    spo2 = (catalogue()["spo2_floor"],)
    limit = limits_of(spo2, ["eva"], {})
    one = Reading("eva", "spo2", NOW_NS, bytes(16), 82.0, 0, (), "d", "r", NOW_NS, NOW_NS)
    with db.read() as beside:
        assert np.isnan(window(beside, ["eva"], spo2, limit, NOW_NS).channel["spo2"].value).all()
        with db.write() as tx:
            keep(tx, [one], NOW_NS)
            assert window(tx, ["eva"], spo2, limit, NOW_NS).channel["spo2"].value[0, -1] == 82
            assert np.isnan(window(beside, ["eva"], spo2, limit, NOW_NS).channel["spo2"].value).all()
    with db.read() as after:
        assert window(after, ["eva"], spo2, limit, NOW_NS).channel["spo2"].value[0, -1] == 82


def test_the_shelf_is_asked_once_for_a_patient_and_then_no_more(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    limit = limits_of(RULES, PEOPLE, {})
    with db.read() as tx:
        shelf = memory_of(tx).shelf
        real = shelf.everything
        monkeypatch.setattr(
            shelf, "everything", lambda tx, patient, *span: asked.append(patient) or real(tx, patient, *span)
        )
        window(tx, PEOPLE, RULES, limit, NOW_NS)
        monkeypatch.setattr(shelf, "values", lambda *_: pytest.fail("the state has it all"))
        for _ in range(3):
            window(tx, PEOPLE, RULES, limit, NOW_NS)
    for number in range(3):
        with db.write() as tx:
            t_ns = NOW_NS + number * NS
            keep(
                tx,
                [Reading("eva", "spo2", t_ns, bytes([number] * 16), 95.0, 0, (), "d", f"{number}", t_ns, t_ns)],
                t_ns,
            )
            window(tx, ["eva"], RULES, limits_of(RULES, ["eva"], {}), t_ns)
    assert sorted(asked) == sorted(PEOPLE)
