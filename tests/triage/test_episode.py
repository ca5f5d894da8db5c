"""One episode from its opening to the nurse who closes it."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from triage.episode import Episode, Opened, Pace, Raised, Repeated, Settled, doubt, step, trust
from vitals.alarm import Level, Reason
from vitals.clock import NS

MINUTE = 60 * NS
NOW = 1_000_000 * NS


def because(rule: str, level: Level, number: float = 0.0, t_ns: int = NOW) -> Reason:
    return Reason(rule, "1", level, {"number": number}, {"en": rule}, t_ns)


LOW, MEDIUM, HIGH = (because("spo2_floor", level) for level in (Level.LOW, Level.MEDIUM, Level.HIGH))
WEIGHT = because("weight_gain", Level.MEDIUM)


def tell(*heard: tuple[int, list[Reason], set[str]], pace: Pace | None = None) -> tuple[Episode | None, list]:
    """The episode and the last step's changes, after steps given as (minutes, reasons, unknown rules)."""
    episode, changes = None, []
    for minutes, reasons, unknown in heard:
        episode, changes = step(episode, reasons, unknown, NOW + minutes * MINUTE, pace or Pace())
    return episode, changes


def test_calm_and_unknown_open_nothing():
    assert step(None, [], set(), NOW) == (None, [])
    assert step(None, [], {"spo2_floor"}, NOW) == (None, [])
    assert step(None, [because("spo2_floor", Level.UNKNOWN)], set(), NOW) == (None, [])


def test_a_reason_opens_an_episode():
    episode, changes = step(None, [MEDIUM, WEIGHT], set(), NOW)
    assert changes == [Opened(Level.MEDIUM, MEDIUM)]
    assert (episode.level, episode.opened_ns, episode.reasons) == (Level.MEDIUM, NOW, (MEDIUM, WEIGHT))


def test_the_same_again_is_no_news():
    episode, changes = tell((0, [MEDIUM], set()), (1, [MEDIUM], set()))
    assert changes == []
    assert episode.opened_ns == NOW


def test_a_worse_reason_raises_it():
    episode, changes = tell((0, [MEDIUM], set()), (1, [HIGH, WEIGHT], set()))
    assert changes == [Raised(Level.HIGH, Level.MEDIUM, HIGH), Repeated(WEIGHT)]
    assert episode.reasons == (HIGH, WEIGHT)


def test_another_rule_is_stacked():
    episode, changes = tell((0, [HIGH], set()), (1, [HIGH, WEIGHT], set()))
    assert changes == [Repeated(WEIGHT)]
    assert episode.reasons == (HIGH, WEIGHT)


def test_a_rule_that_says_worse_below_the_top_is_news_too():
    worse = because("weight_gain", Level.HIGH)
    _, changes = tell((0, [HIGH, WEIGHT], set()), (1, [HIGH, worse], set()))
    assert changes == [Repeated(worse)]


def test_a_milder_reason_lowers_nothing():
    episode, changes = tell((0, [HIGH], set()), (1, [LOW], set()))
    assert changes == []
    assert (episode.level, episode.reasons) == (Level.HIGH, (HIGH,))


def test_of_equally_bad_reasons_the_newest_numbers_are_kept():
    newer = because("spo2_floor", Level.HIGH, number=3.0)
    assert tell((0, [HIGH], set()), (1, [newer], set()))[0].reasons == (newer,)


def test_calm_has_to_last_before_the_episode_settles_and_it_stays_open():
    episode, changes = tell((0, [HIGH], set()), (1, [], set()), (10, [], set()))
    assert (changes, episode.settled_ns) == ([], None)
    episode, changes = tell((0, [HIGH], set()), (1, [], set()), (11, [], set()))
    assert changes == [Settled(NOW + MINUTE)]
    assert (episode.level, episode.opened_ns, episode.settled_ns) == (Level.HIGH, NOW, NOW + 11 * MINUTE)


def test_settled_is_said_once():
    assert tell((0, [HIGH], set()), (1, [], set()), (11, [], set()), (30, [], set()))[1] == []


def test_flutter_does_not_settle():
    episode, _ = tell((0, [HIGH], set()), (1, [], set()), (9, [HIGH], set()), (12, [], set()), (20, [], set()))
    assert episode.settled_ns is None


def test_not_knowing_does_not_settle():
    episode, _ = tell((0, [HIGH], set()), (1, [], set()), (9, [], {"spo2_floor"}), (12, [], set()), (20, [], set()))
    assert episode.settled_ns is None
    assert tell((0, [HIGH], set()), (60, [], {"spo2_floor"}))[0].settled_ns is None


def test_another_rule_that_never_spoke_may_be_in_doubt():
    assert tell((0, [HIGH], set()), (1, [], {"weight_gain"}), (11, [], {"weight_gain"}))[0].settled_ns is not None


def test_silence_after_settling_unsettles_nothing_but_a_reason_does():
    settled = [(0, [HIGH], set()), (1, [], set()), (11, [], set())]
    assert tell(*settled, (12, [], {"spo2_floor"}))[0].settled_ns is not None
    episode, changes = tell(*settled, (12, [MEDIUM], set()))
    assert changes == [Repeated(MEDIUM)]
    assert (episode.settled_ns, episode.calm_ns, episode.level) == (None, None, Level.HIGH)


PATIENT = Pace(hold_s=(300, 300, 0))


def test_with_persistence_a_mild_level_has_to_be_held_and_a_high_one_not():
    episode, changes = tell((0, [MEDIUM], set()), (4, [MEDIUM], set()), pace=PATIENT)
    assert (episode.opened_ns, changes) == (None, [])
    assert tell((0, [MEDIUM], set()), (5, [MEDIUM], set()), pace=PATIENT)[1] == [Opened(Level.MEDIUM, MEDIUM)]
    assert tell((0, [MEDIUM], set()), (1, [HIGH], set()), pace=PATIENT)[1] == [Opened(Level.HIGH, HIGH)]


def test_while_it_waits_calm_begins_the_wait_anew_and_not_knowing_neither_opens_nor_forgets():
    assert tell((0, [MEDIUM], set()), (1, [], set()), pace=PATIENT) == (None, [])
    assert tell((0, [MEDIUM], set()), (6, [], {"spo2_floor"}), pace=PATIENT)[0].opened_ns is None
    opened = tell((0, [MEDIUM], set()), (4, [], {"spo2_floor"}), (6, [MEDIUM], set()), pace=PATIENT)
    assert opened[1] == [Opened(Level.MEDIUM, MEDIUM)]


def test_an_episode_can_be_put_away_and_taken_out_again():
    episode, _ = tell((0, [HIGH, WEIGHT], set()), (1, [], {"spo2_floor"}))
    assert msgspec.json.decode(msgspec.json.encode(episode), type=Episode) == episode


RULES = ("a", "b", "c")
moments = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.dictionaries(st.sampled_from(RULES), st.sampled_from(list(Level)), max_size=3),
    ),
    max_size=12,
)
paces = st.builds(Pace, hold_s=st.tuples(*[st.sampled_from([0.0, 300.0])] * 3), settle_s=st.sampled_from([0.0, 600.0]))


@given(moments, paces)
def test_what_holds_of_every_story(story, pace):
    episode, now_ns, opened, worst = None, NOW, 0, Level.CALM
    for minutes, said in story:
        now_ns += minutes * MINUTE
        before = episode
        reasons = [because(rule, level, t_ns=now_ns) for rule, level in said.items()]
        unknown = {rule for rule, level in said.items() if level == Level.UNKNOWN}
        speaking = {reason.rule: reason.level for reason in reasons if reason.level > Level.CALM}
        worst = max(worst, *speaking.values()) if speaking else worst
        episode, changes = step(before, reasons, unknown, now_ns, pace)
        kinds = [type(change) for change in changes]
        opened += kinds.count(Opened)

        if before is not None and before.opened_ns is not None:
            assert episode is not None, "what is open stays open"
            assert (episode.opened_ns, Opened in kinds) == (before.opened_ns, False)
            assert episode.level >= before.level, "never lowered"
            assert (episode.level > before.level) == (Raised in kinds)
        if episode is None or episode.opened_ns is None:
            assert not changes
            continue
        assert episode.level <= worst
        if not speaking:
            assert set(kinds) <= {Settled}
        if not any(level != Level.CALM for level in said.values()) and pace.settle_s == 0:
            assert episode.settled_ns is not None
        if Settled in kinds:
            assert not speaking
            assert not unknown & {reason.rule for reason in episode.reasons}
        stacked = {reason.rule: reason.level for reason in episode.reasons}
        assert len(stacked) == len(episode.reasons)
        assert all(stacked[rule] >= level for rule, level in speaking.items())
    assert opened <= 1


@given(moments)
def test_without_a_wait_every_alarming_moment_is_in_an_open_episode(story):
    episode, now_ns = None, NOW
    for minutes, said in story:
        now_ns += minutes * MINUTE
        episode, _ = step(episode, [because(rule, level) for rule, level in said.items()], set(), now_ns)
        worst = max(said.values(), default=Level.CALM)
        if worst > Level.CALM:
            assert episode.opened_ns is not None
            assert episode.level >= worst


def test_what_a_rule_saw_that_was_wrong_does_not_keep_the_episode_up():
    episode, _ = tell((0, [MEDIUM], set()))
    for stands, doubted in ((True, episode), (False, doubt(episode, {"spo2_floor", "weight_gain"}, NOW + MINUTE))):
        for minutes in (1, 12):
            doubted, _ = step(doubted, [], {"spo2_floor"}, NOW + minutes * MINUTE)
        assert (doubted.settled_ns is None) is stands
        assert doubted.reasons == (MEDIUM,), "what was said is still told"


def test_what_it_says_next_is_news_once_but_not_what_it_says_of_what_is_left():
    episode, _ = tell((0, [HIGH], set()))
    doubted = doubt(episode, {"spo2_floor"}, NOW + MINUTE)
    left, changes = step(doubted, [HIGH], set(), NOW + MINUTE)
    assert (changes, left.doubted) == ([], {})
    told, changes = step(doubted, [MEDIUM], set(), NOW + 2 * MINUTE)
    assert changes == [Repeated(MEDIUM)]
    assert step(told, [MEDIUM], set(), NOW + 3 * MINUTE)[1] == []


def test_only_a_rule_that_has_spoken_is_doubted_and_what_was_right_after_all_stands_again():
    episode, _ = tell((0, [HIGH], set()))
    assert doubt(episode, {"weight_gain"}, NOW) == episode
    assert trust(doubt(episode, {"spo2_floor"}, NOW), {"spo2_floor"}) == episode
