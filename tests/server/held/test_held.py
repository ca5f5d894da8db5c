"""A shared scale: what is held, what is asked, and what becomes of it."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.held import store
from server.held.model import Said
from server.held.store import Question, Refused, held, held_readings
from server.held.views import FIRST_SHOWN_S, unjudged
from server.ingest import store as ingest
from server.patients.store import assignments, slot_at
from server.readings import journal
from server.readings.store import latest
from tests.server.conftest import at
from tests.server.held.conftest import DAY, HOUR, Bathroom, weight
from vitals.alarm import Kind
from vitals.block import Block
from vitals.clock import NS


def test_a_visitor_on_the_scale_is_asked_about_and_is_not_her(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.2, 73.9)
    bathroom.weigh(54.2)
    assert bathroom.weights() == [74.0, 74.2, 73.9]
    question = bathroom.question()
    assert (question.because, question.usual_kg, bathroom.held(question)) == ("weight", 74.0, [("weight", 54.2)])
    bathroom.weigh(74.1)
    assert bathroom.weights()[-1] == 74.1, "hers, a minute later, is filed as ever"

    bathroom.says("not_hers")
    assert bathroom.weights() == [74.0, 74.2, 73.9, 74.1]
    assert bathroom.questions() == []
    assert bathroom.audited() == [("siri", "question 1: not_hers")]
    with bathroom.server.db.read() as tx:
        assert tx.scalar(sa.select(held_readings.c.value)) == 54.2, "it is kept with the answer"


def test_hers_is_filed_with_its_own_times_and_the_rules_see_it(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0, 74.0, 74.0)
    t_ns = bathroom.now_ns - HOUR
    bathroom.hear(weight(81.0, t_ns, "stored", record="r-9", device_t_ns=t_ns - 7))
    stored_ns = bathroom.now_ns
    assert "weight_gain" not in bathroom.rules(), "nobody knows yet that it is hers"
    bathroom.clock.advance(minutes=20)
    bathroom.says("hers")
    with bathroom.server.db.read() as tx:
        *_, entry = journal.read(tx, 0, 100)
        (one,) = entry.readings
        assert latest(tx, ["kari"])["kari"]["weight"].stored_ns == stored_ns
    assert (one.patient_id, one.t_ns, one.value, one.device_t_ns, one.received_ns, one.record, one.status) == (
        "kari", t_ns, 81.0, t_ns - 7, stored_ns, "r-9", ("stored",),
    )  # fmt: skip
    assert "weight_gain" in bathroom.rules(), "seven kilos: at once, not with the next round"


def test_what_is_held_is_stored_acknowledged_and_counted_once_however_often_it_comes(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    message = bathroom.tells(weight(54.2, bathroom.now_ns, record="r-1"))
    answers = bathroom.server.receive(*message)
    assert bathroom.server.receive(*message) == answers != []
    bathroom.begin_again()
    bathroom.hear(weight(54.2, bathroom.now_ns, record="r-1"), gateway="gw-2")
    assert bathroom.held(bathroom.question()) == [("weight", 54.2)]
    with bathroom.server.db.read() as tx:
        assert ingest.stored(tx) == 3

    bathroom.says("hers")
    bathroom.hear(weight(54.2, bathroom.now_ns, record="r-1"), gateway="gw-2")
    assert bathroom.weights() == [74.0, 74.0, 54.2]
    assert bathroom.questions() == []
    with bathroom.server.db.read() as tx:
        assert ingest.stored(tx) == 3, "an answer stores nothing new"


def test_what_was_said_not_to_be_hers_stays_so_when_it_comes_again(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    again = weight(54.2, bathroom.now_ns, record="r-1")
    bathroom.hear(again)
    bathroom.says("unknown")
    bathroom.hear(again, gateway="gw-2")
    assert (bathroom.weights(), bathroom.questions()) == ([74.0, 74.0], [])


def test_her_own_weight_that_comes_again_is_not_held_for_what_is_known_by_now(bathroom: Bathroom) -> None:
    """After three weeks away 66 kg was let through; against itself and all the others it would be far off."""
    bathroom.mornings(74.0, 74.0, 74.0, 74.0)
    bathroom.clock.advance(hours=21 * 24)
    home_again = weight(66.0, bathroom.now_ns, record="r-1")
    bathroom.hear(home_again)
    bathroom.hear(home_again, gateway="gw-2")
    assert (bathroom.weights(), bathroom.questions()) == ([74.0] * 4 + [66.0], [])


def test_a_first_weight_is_taken_on_its_merits_and_it_is_said_so(bathroom: Bathroom) -> None:
    bathroom.weigh(54.2)
    assert (bathroom.weights(), bathroom.questions()) == ([54.2], [])
    with bathroom.server.db.read() as tx:
        first = unjudged(tx, "kari", bathroom.now_ns)
        assert first is not None
        assert first.value == 54.2
        assert unjudged(tx, "kari", bathroom.now_ns + FIRST_SHOWN_S * NS) is None
        assert unjudged(tx, "odd", bathroom.now_ns) is None


def test_were_the_first_a_visitors_her_own_is_asked_about_once_and_then_counts(bathroom: Bathroom) -> None:
    bathroom.mornings(54.2)
    bathroom.weigh(74.0)
    assert bathroom.question().usual_kg == 54.2
    bathroom.says("hers")
    bathroom.clock.advance(hours=24)
    bathroom.mornings(74.2, 73.9)
    assert (bathroom.weights(), bathroom.questions()) == ([54.2, 74.0, 74.2, 73.9], [])


def test_a_real_change_shows_as_a_series_in_one_question_and_one_answer_files_it(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0, 74.0)
    bathroom.mornings(66.0, 65.8, 66.1)
    question = bathroom.question()
    assert [kg for _, kg in bathroom.held(question)] == [66.0, 65.8, 66.1]
    assert bathroom.weights() == [74.0] * 3
    bathroom.says("hers")
    bathroom.mornings(65.9)
    assert (bathroom.weights(), bathroom.questions()) == ([74.0] * 3 + [66.0, 65.8, 66.1, 65.9], [])


def test_two_visitors_are_two_questions(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0, 74.0)
    bathroom.weigh(54.2, 31.0, 54.3)
    assert [[kg for _, kg in bathroom.held(one)] for one in bathroom.questions()] == [[54.2, 54.3], [31.0]]


def test_a_gain_that_a_rule_alarms_on_is_never_held(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0, 74.0)
    bathroom.weigh(78.9)
    assert bathroom.questions() == []
    assert "weight_gain" in bathroom.rules()


def test_what_is_only_held_is_missing_and_its_silence_is_found(bathroom: Bathroom) -> None:
    """A guest who uses the scale every morning does not hide that she no longer does."""
    bathroom.mornings(74.0, 74.0)
    for _ in range(4):
        bathroom.beat()
        bathroom.hear(Block("spo2", (bathroom.now_ns,), (96.0,)), Block("bp_sys", (bathroom.now_ns,), (120.0,)))
        bathroom.mornings(54.2)
    bathroom.beat()
    bathroom.tick(minutes=6)
    assert bathroom.rules(kind=Kind.TECHNICAL) == {"device_silent"}
    assert len(bathroom.held(bathroom.question())) == 4


def test_an_unanswered_question_stays_with_its_age_through_a_restart(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    bathroom.weigh(54.2)
    opened_ns = bathroom.question().opened_ns
    for _ in range(60):
        bathroom.tick(hours=24)
    bathroom.begin_again()
    assert bathroom.question().opened_ns == opened_ns


def test_all_of_a_weighing_is_held_with_its_weight_in_whatever_message_it_comes(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    t_ns = bathroom.now_ns
    fat, weighed, bmi, muscle = (
        Block("body_fat", (t_ns,), (18.0,)), weight(54.2, t_ns), Block("bmi", (t_ns,), (19.9,)),
        Block("muscle", (t_ns,), (44.0,)),
    )  # fmt: skip
    bathroom.hear(fat)  # as a body composition scale does: the fat before the weight
    assert bathroom.values("kari", "body_fat") == [18.0]
    bathroom.hear(bmi, weighed)
    assert [bathroom.values("kari", name) for name in ("body_fat", "bmi", "weight")] == [[], [], [74.0, 74.0]]
    question = bathroom.question()
    bathroom.says("not_hers")
    bathroom.hear(muscle)  # and the rest after the answer
    assert bathroom.values("kari", "muscle") == []
    assert dict(bathroom.held(question)) == {"body_fat": 18.0, "bmi": 19.9, "weight": 54.2, "muscle": 44.0}


def test_the_rest_of_a_weighing_that_was_hers_is_filed_even_after_the_answer(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    t_ns = bathroom.now_ns
    bathroom.hear(Block("body_fat", (t_ns,), (18.0,)), weight(54.2, t_ns))
    bathroom.says("hers")
    bathroom.hear(Block("muscle", (t_ns,), (44.0,)))
    assert [bathroom.values("kari", name) for name in ("body_fat", "muscle")] == [[18.0], [44.0]]


def test_what_the_cuff_took_for_another_user_is_held_but_never_the_pulse(bathroom: Bathroom) -> None:
    def cuff(user: str, systolic: float, minutes: int) -> None:
        t_ns = bathroom.now_ns + minutes * 60 * NS
        status = (user,)
        bathroom.hear(
            Block("bp_sys", (t_ns,), (systolic,), 0, status),
            Block("bp_dia", (t_ns,), (80.0,), 0, status),
            Block("pulse_rate", (t_ns,), (150.0,), 0, status),
            device="cuff",
        )

    cuff("user_1", 120.0, 0)
    assert bathroom.values("kari", "bp_sys") == [120.0]
    cuff("user_2", 190.0, 1)
    assert bathroom.values("kari", "bp_sys") == [120.0]
    assert bathroom.values("kari", "pulse_rate") == [150.0, 150.0], "holding never hides danger"
    question = bathroom.question()
    assert (question.because, question.slot) == ("slot", 2)
    assert bathroom.held(question) == [("bp_dia", 80.0), ("bp_sys", 190.0)]
    cuff("user_2", 185.0, 2)
    assert len(bathroom.held(bathroom.question())) == 4, "the same user again is the same question"
    cuff("user_3", 130.0, 3)
    assert len(bathroom.questions()) == 2
    bathroom.says("hers", bathroom.questions()[0])
    assert bathroom.values("kari", "bp_sys") == [120.0, 190.0, 185.0]


def test_a_user_of_the_device_says_nothing_where_the_assignment_names_none(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    bathroom.hear(weight(74.1, bathroom.now_ns, "user_4"))
    assert (bathroom.weights()[-1], bathroom.questions()) == (74.1, [])


def test_an_answer_is_to_what_was_seen(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    bathroom.weigh(54.2)
    seen = bathroom.question()
    bathroom.weigh(54.4)
    with pytest.raises(Refused, match="more was measured since you looked: look at all of it"):
        answered(bathroom, seen, "hers")
    assert bathroom.weights() == [74.0, 74.0]


def test_of_two_nurses_one_is_first_and_the_other_is_told_who(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    bathroom.weigh(54.2)
    seen = bathroom.question()
    bathroom.says("not_hers", who="siri")
    with pytest.raises(Refused, match="Siri has answered") as refused:
        answered(bathroom, seen, "hers")
    assert refused.value.who == "Siri"
    assert bathroom.weights() == [74.0, 74.0]


def test_a_weight_belongs_to_whoever_had_the_scale_then(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0, 74.0)
    bathroom.weigh(54.2, device="odds-scale")
    assert bathroom.weights("odd") == [54.2], "her usual weight says nothing of his"


def test_a_weight_that_the_device_doubts_is_held_like_another_but_makes_nothing_usual(bathroom: Bathroom) -> None:
    bathroom.mornings(74.0)
    bathroom.hear(weight(76.0, bathroom.now_ns, "questionable"))
    bathroom.clock.advance(minutes=1)
    bathroom.hear(weight(54.0, bathroom.now_ns, "questionable"))
    assert bathroom.weights() == [74.0, 76.0]
    assert bathroom.question().usual_kg == 74.0


def test_the_slot_of_an_assignment_can_be_corrected_without_beginning_to_watch_anew(bathroom: Bathroom) -> None:
    with bathroom.server.db.read() as tx:
        before = tx.scalars(sa.select(assignments.c.changed_ns)).all()
    file = bathroom.folder / "municipality.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("user_slot = 1", "user_slot = 3"), encoding="utf-8")
    bathroom.clock.advance(hours=1)
    bathroom.begin_again()
    with bathroom.server.db.read() as tx:
        assert tx.scalars(sa.select(assignments.c.changed_ns)).all() == before
        assert (slot_at(tx, "cuff", bathroom.now_ns), slot_at(tx, "scale", bathroom.now_ns)) == (3, None)
        assert slot_at(tx, "cuff", at("2025-12-31T00:00:00")) is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from([74.0, 74.4, 54.2, 54.4, 31.0]), min_size=1, max_size=8),
    st.lists(st.integers(1, 4), min_size=8, max_size=8),
    st.lists(st.sampled_from(["hers", "not_hers", "unknown"]), min_size=8, max_size=8),
)
def test_every_weight_is_once_in_one_place_however_it_is_sent_and_answered(
    kgs: list[float], sizes: list[int], answers: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        bathroom = Bathroom(Path(folder))
        try:
            blocks = [weight(kg, bathroom.now_ns - DAY * (9 - n), record=f"r-{n}") for n, kg in enumerate(kgs)]
            rest = iter(blocks)
            replies = iter(answers)
            for size in sizes:
                batch = list(itertools.islice(rest, size))
                if batch:
                    bathroom.hear(*batch)
                    bathroom.hear(*batch, gateway="gw-2")
                for question in bathroom.questions():
                    bathroom.says(next(replies, "unknown"), question)
            bathroom.hear(*blocks, gateway="gw-2")
            filed = bathroom.weights()
            with bathroom.server.db.read() as tx:
                about = held.c.said.is_distinct_from("hers")
                kept = tx.scalars(sa.select(held_readings.c.value).join_from(held_readings, held).where(about)).all()
                assert ingest.stored(tx) == len(kgs)
            assert sorted([*filed, *kept]) == sorted(kgs)
        finally:
            bathroom.server.close()


def answered(bathroom: Bathroom, seen: Question, said: Said) -> None:
    """Per answers what he saw a while ago."""
    with bathroom.server.db.write() as tx:
        now = store.get(tx, seen.id)
        assert now is not None
        store.answer(tx, now, seen.version, said, who="per", name="Per", by="staff", now_ns=bathroom.now_ns)
