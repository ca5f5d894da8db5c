"""The columnar state against a plain reference, after anything that can happen to it, in any order."""

import math
from collections.abc import Iterable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.state.reference import PARAMETERS, Reference
from triage import course
from triage.catalogue import catalogue
from triage.contract import Finding, Rule, Window, levels, rule
from triage.course import USUAL
from triage.grid import Need, Sample, Samples, limits_of, needs
from triage.grid import window as made_of_samples
from triage.run import run
from triage.state import ALWAYS, State, window
from triage.state.people import NOTHING
from vitals.channels import CHANNELS
from vitals.clock import NS

NOW_NS = 1_795_000_000 * NS
HOUR_NS = 3600 * NS
DAY_NS = 24 * HOUR_NS


@rule(version="1", reads=tuple(USUAL), tracks=tuple(USUAL), window_s=30 * 86_400, samples=3, text={"nb": "", "en": ""})
def every_course(w: Window) -> Finding:
    numbers = {
        f"{name}_{what}": column for name in USUAL for what, column in vars(w.track[name]).items() if what != "t_ns"
    }
    return Finding(levels(w.patients), numbers)


@rule(version="1", reads=("glucose",), window_s=0, samples=100, text={"nb": "", "en": ""})
def looks_deep(w: Window) -> Finding:
    return Finding(levels(w.patients), {"sum": np.nansum(w.channel["glucose"].value, axis=1)})


RULES: tuple[Rule, ...] = (*catalogue().values(), every_course, looks_deep)
NEEDS = needs(RULES)
NAMES = tuple(NEEDS)


class Life:
    """A state and a reference that are told the same."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_ns = NOW_NS
        self.state = State(NEEDS, scores=True)
        assert self.state.scores
        self.news2 = self.state.scores
        self.told = Reference()
        self.asked = 0
        self.names = self.random.sample(NAMES, self.random.choice((1, 3, len(NAMES))))
        self.reach_ns = self.random.choice((HOUR_NS, 3 * DAY_NS, 70 * DAY_NS))
        self.comes("eva", "per")

    def step(self) -> None:
        """Something happens."""
        happens = self.random.choice((self.batch, self.batch, self.batch, self.burst, self.failing, self.withdrawn,
                                      self.later, self.more_people, self.fewer_people, self.prescribed))  # fmt: skip
        happens()

    def comes(self, *people: str) -> None:
        self.state.add(people, ALWAYS)
        for patient in people:
            self.told.samples.setdefault(patient, [])

    def sample(self, patient: str, name: str, t_ns: int | None = None) -> Sample:
        random, about = self.random, CHANNELS.get(name)
        if t_ns is None:
            ago_ns = random.choice((0, random.randint(0, HOUR_NS), random.randint(-HOUR_NS // 6, self.reach_ns)))
            t_ns = self.now_ns - ago_ns
        if about is None:
            return Sample(patient, name, t_ns, float(random.randint(0, 3)))
        middle = {"spo2": 93.0, "pulse_rate": 100.0, "body_temp": 38.0}.get(name, (about.low + about.high) / 2)
        value = random.choice((
            round(random.gauss(middle, (about.high - about.low) / 12), about.decimals),
            middle, about.high + 1, random.choice((math.nan, math.inf, middle)),
        ))  # fmt: skip
        return Sample(patient, name, t_ns, value, random.random() < 0.9)

    def batch(self) -> None:
        people = list(self.told.samples)
        count = self.random.choice((0, 1, 5, 40))
        self.hear([self.sample(self.random.choice(people), self.random.choice(self.names)) for _ in range(count)])

    def burst(self) -> None:
        """More of one series than any ring holds, some of one moment."""
        patient, name = self.random.choice(list(self.told.samples)), self.random.choice(self.names)
        start_ns = self.now_ns - self.random.randint(0, self.reach_ns)
        self.hear(
            [self.sample(patient, name, start_ns + n // 2 * self.random.choice((NS, HOUR_NS))) for n in range(90)]
        )

    def hear(self, samples: list[Sample]) -> None:
        touched = self.state.take(self.columns(samples), self.now_ns)
        for one in samples:
            self.told.samples[one.patient].append(one)
        known = {one.patient for one in samples if math.isfinite(one.value)}
        assert touched.tolist() == sorted(self.state.people.rows(known))

    def failing(self) -> None:
        """A batch that comes to nothing, with new series and patients withdrawn in it."""
        before = vars(self.seen()), self.scores()
        self.state.begin()
        people = list(self.told.samples)
        samples = [self.sample(self.random.choice(people), self.random.choice(NAMES)) for _ in range(30)]
        self.state.take(self.columns(samples), self.now_ns)
        if self.random.random() < 0.5:
            self.state.fill(self.state.people.rows(people[:1]), ALWAYS, self.columns(samples[:0]), self.now_ns)
            self.state.take(self.columns(samples), self.now_ns)
        window(
            self.state,
            self.now_ns,
            self.state.people.rows(people),
            RULES,
            limits_of(RULES, people, {}),
            self.ask(people),
        )  # somebody looks at what will not have been
        self.state.undo()
        assert repr((vars(self.seen()), self.scores())) == repr(before)

    def withdrawn(self) -> None:
        """Some of one patient's samples never were."""
        patient = self.random.choice(list(self.told.samples))
        kept = [one for one in self.told.samples[patient] if self.random.random() < 0.7]
        self.told.samples[patient] = kept
        self.state.begin()
        self.state.fill(self.state.people.rows([patient]), ALWAYS, self.columns(kept), self.now_ns)
        self.state.settle()

    def later(self) -> None:
        self.now_ns += self.random.choice((0, HOUR_NS, 20 * HOUR_NS, 40 * DAY_NS))
        self.news2.expire(self.now_ns)

    def more_people(self) -> None:
        self.comes(*(f"p{self.random.randint(0, 40)}" for _ in range(self.random.choice((1, 12)))))

    def fewer_people(self) -> None:
        people = list(self.told.samples)
        if len(people) > 1:
            gone = self.random.choice(people)
            self.state.remove([gone])
            del self.told.samples[gone]
            self.told.scale.pop(gone, None)
            self.told.fresh_s.pop(gone, None)

    def prescribed(self) -> None:
        patient = self.random.choice(list(self.told.samples))
        self.told.scale[patient] = scale = self.random.choice((1, 2))
        self.told.fresh_s[patient] = fresh_s = self.random.choice((3600.0, 86_400.0, 172_800.0))
        self.news2.prescribe(
            self.state.people.rows([patient]), np.array([float(scale)]), np.array([fresh_s]), self.now_ns
        )

    # --- what is seen of it

    def columns(self, samples: Iterable[Sample]) -> Samples:
        samples = list(samples)
        return Samples(
            np.array([NAMES.index(one.channel) for one in samples], np.int64),
            self.state.people.rows(one.patient for one in samples).astype(np.int64),
            np.array([one.t_ns for one in samples], np.int64),
            np.array([one.value for one in samples], np.float64),
            np.array([one.good for one in samples], np.bool_),
        )

    def ask(self, people: list[str]):
        def asked(name: str, need: Need, places: np.ndarray) -> Samples:
            self.asked += len(places)
            found = [(n, one) for n, place in enumerate(places.tolist()) for one in self.told.samples[people[place]]
                     if one.channel == name]  # fmt: skip
            return Samples(
                np.zeros(len(found), np.int64),
                np.array([n for n, _ in found], np.int64),
                np.array([one.t_ns for _, one in found], np.int64),
                np.array([one.value for _, one in found], np.float64),
                np.array([one.good for _, one in found], np.bool_),
            )

        return asked

    def seen(self, rules: tuple[Rule, ...] = RULES) -> Window:
        people = list(self.told.samples)
        limit = limits_of(rules, people, {})
        return window(self.state, self.now_ns, self.state.people.rows(people), rules, limit, self.ask(people))

    def scores(self) -> list[tuple[int, bool, bool]]:
        found, rows = self.news2.totals(), self.state.people.rows(self.told.samples)
        return list(zip(*(column[rows].tolist() for column in found), strict=True))

    def expected(self, rules: tuple[Rule, ...] = RULES) -> Window:
        samples = [one for found in self.told.samples.values() for one in found]
        self.random.shuffle(samples)
        return made_of_samples(self.now_ns, list(self.told.samples), samples, rules, {})


def same(one: Window, other: Window) -> bool:
    """Array for array, to the last bit."""
    for what in ("channel", "event", "track"):
        mine, its = getattr(one, what), getattr(other, what)
        assert mine.keys() == its.keys()
        for name in mine:
            for column in vars(mine[name]):
                np.testing.assert_array_equal(
                    getattr(mine[name], column), getattr(its[name], column), f"{what} {name} {column}"
                )
    for what in ("quality", "limit"):
        mine, its = getattr(one, what), getattr(other, what)
        assert mine.keys() == its.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], its[name], f"{what} {name}")
    return True


LIVES = settings(max_examples=200, deadline=None)


@LIVES
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_the_rules_see_of_the_state_what_they_see_of_the_samples(seed: int, steps: int) -> None:
    life = Life(seed)
    for _ in range(steps):
        life.step()
    seen, expected = life.seen(), life.expected()
    assert same(seen, expected)
    assert np.array_equal(run(seen, RULES).level, run(expected, RULES).level)
    few = (catalogue()["news2"], catalogue()["spo2_floor"])
    assert same(life.seen(few), life.expected(few)), "whichever rules look"


@LIVES
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_rings_courses_and_totals_are_those_of_the_reference(seed: int, steps: int) -> None:
    life = Life(seed)
    for _ in range(steps):
        life.step()
    state, told = life.state, life.told
    life.news2.expire(life.now_ns)
    totals = life.news2.totals()
    for patient in told.samples:
        (row,) = state.people.rows([patient])
        for name in NAMES:
            size, slots = state.size_of[name], state.slots(name, np.array([row]))
            t_ns, value, good = state.rings.samples(slots, size, size)
            ring = [
                (when, what, trusted)
                for when, what, trusted in zip(*(column[:, 0].tolist() for column in (t_ns, value, good)), strict=True)
                if not math.isnan(what)
            ]
            assert ring == told.ring(patient, name, size)
            assert state.rings.cut(slots, size)[0] >= (len(told.series(patient, name)) > size)
        for name in state.tracked:
            track = course.current(life.now_ns, state.track(name, np.array([row])))
            if track.t_ns[0] <= life.now_ns:  # what lies ahead is for the window to sort out
                for what, value in told.course(patient, name, life.now_ns)._asdict().items():
                    assert getattr(track, what)[0] == pytest.approx(value, rel=2e-5, abs=2e-5, nan_ok=True), (
                        name,
                        what,
                    )
        if any(t_ns > life.now_ns for name in PARAMETERS for t_ns, _, _ in told.ring(patient, name, 8)[:4]):
            continue  # so much lies ahead that the ring may not reach back to now; then a parameter is missing
        score = told.score(patient, life.now_ns)
        assert totals.total[row] == score.total
        assert totals.missing[row] == (score.missing > 0)
        assert totals.three[row] == score.three


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_any_order_of_arrival_gives_the_same_state(seed: int) -> None:
    life, other = Life(seed), Life(seed)
    for _ in range(4):
        life.batch()
        life.burst()
    samples = [one for found in life.told.samples.values() for one in found]
    life.random.shuffle(samples)
    for start in range(0, len(samples), 17):
        other.hear(samples[start : start + 17])
    for what in (life, other):
        what.news2.expire(life.now_ns)
    assert same(life.seen(), other.seen())
    assert life.scores() == other.scores()


def test_what_a_ring_does_not_have_is_asked_for() -> None:
    life = Life(1)
    size = life.state.size_of["spo2"]

    @rule(version="1", reads=("spo2",), window_s=14 * 86_400, samples=size, text={"nb": "", "en": ""})
    def looks_at_all(w: Window) -> Finding:
        return Finding(levels(w.patients), {"newest": w.channel["spo2"].value[:, -1]})

    rules = (looks_at_all,)
    life.state.add(["ida"])  # of whom nothing has been told
    life.told.samples["ida"] = [Sample("ida", "spo2", NOW_NS - HOUR_NS, 82.0)]
    assert same(life.seen(rules), life.expected(rules))
    assert life.asked == 1
    life.state.fill(
        life.state.people.rows(["ida"]), NOW_NS - 20 * DAY_NS, life.columns(life.told.samples["ida"]), NOW_NS
    )
    life.seen(rules)
    assert life.asked == 1, "the rule looks no further back than what has been told"
    life.hear([Sample("ida", "spo2", NOW_NS - n * NS, 95.0) for n in range(size + 8)])
    life.hear([Sample("ida", "spo2", NOW_NS + NS, 95.0)])
    assert same(life.seen(rules), life.expected(rules))
    assert life.asked == 2, "one of the newest is yet to come, and older ones were left out"


def test_of_some_names_more_is_told_than_of_others() -> None:
    state = State(NEEDS, further_ns={"weight": DAY_NS})
    rows = state.add(["ida", "per", "eva"], NOW_NS)
    state.fill(rows[:1], ALWAYS, Life(1).columns([]), NOW_NS)
    state.clear(rows[1:2])
    assert state.people.since_ns("spo2", rows).tolist() == [ALWAYS, NOTHING, NOW_NS]
    assert state.people.since_ns("weight", rows).tolist() == [ALWAYS, NOTHING, NOW_NS - DAY_NS]


def test_rules_that_look_further_than_rings_are_refused() -> None:
    with pytest.raises(ValueError, match="a ring holds 1024: ask for fewer"):
        State({"spo2": Need(3600, 1025)})
    life = Life(1)
    life.state = State({"spo2": Need(3600, 4)})
    life.comes("eva", "per")
    with pytest.raises(ValueError, match="not made for rules that need"):
        life.seen()


def test_a_batch_is_settled_or_undone_before_the_next() -> None:
    state = State(NEEDS)
    state.begin()
    with pytest.raises(ValueError, match="neither been settled nor undone"):
        state.begin()
    state.undo()
    state.begin()
    state.settle()


def test_a_missing_parameter_is_not_nought_points() -> None:
    life = Life(1)
    calm = {"resp_rate": 16, "spo2": 97, "oxygen_flow": 0, "bp_sys": 120, "pulse_rate": 70, "consciousness": 0}
    life.hear([Sample("eva", name, NOW_NS, float(value)) for name, value in calm.items()])
    assert life.scores()[0] == (0, True, False)
    life.hear([Sample("eva", "body_temp", NOW_NS, 37.0)])
    assert life.scores()[0] == (0, False, False)
    life.hear([Sample("eva", "resp_rate", NOW_NS + NS, 25.0)])
    assert life.scores()[0] == (0, False, False), "its time is yet to come"
    life.news2.expire(NOW_NS + NS)
    assert life.scores()[0] == (3, False, True)
    life.news2.expire(NOW_NS + 86_400 * NS)
    assert life.scores()[0] == (3, False, True)
    changed = life.news2.expire(NOW_NS + 86_400 * NS + 1)
    assert (life.scores()[0], changed.tolist()) == ((3, True, True), life.state.people.rows(["eva"]).tolist())
