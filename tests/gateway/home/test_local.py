"""While the server is away a home is watched by its own hub: by the same rules, and it is told what to do."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock.steady import steady_ns
from gateway.config.file import load
from gateway.config.model import LocalConfig
from gateway.home import local as local_module
from gateway.home.judge import Judge, made
from gateway.home.local import KNOWN_S, Local
from gateway.home.recent import HELD_S, KEEP, MOST, Recent
from gateway.home.telling import REPEAT_S
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from server.readings.store import recent
from server.readings.store import window as server_window
from tests.server.conftest import START_NS, Town, spo2
from triage.catalogue import catalogue
from triage.grid import limits_of, needs, window
from triage.pace import SAMPLES
from triage.run import run
from vitals.alarm import Level
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.errors import ConfigError
from vitals.events import Event, Fault
from vitals.wire import Batch, Row, encode, up

PROGRAMME = str(Path(__file__).parents[3] / "configs" / "programmes" / "copd.toml")
HOUR_NS = 3_600 * NS


class Home:
    """A hub with a spool, a clock that stands, a server that is heard or not, and somebody who listens."""

    def __init__(self, spool: Spool, **more: object) -> None:
        self.spool = spool
        self.clock = ManualClock(START_NS)
        self.silent_s: float | None = 0.0
        self.said: list[str] = []
        config = {"programme": PROGRAMME, "phone": "22 33 44 55", "language": "en", "tell": ["say"], **more}
        self.local = Local(msgspec.convert(config, LocalConfig), spool, self.clock, lambda: self.silent_s, [self])
        self._number = 0

    async def tell(self, sentence: str) -> None:
        self.said.append(sentence)

    async def measures(self, *values: float) -> None:
        """Readings of SpO2, half a minute apart, the last of them now."""
        for number, value in enumerate(values):
            t_ns = self.clock.now_ns() - (len(values) - 1 - number) * 30 * NS
            self._number += 1
            await self.spool.put([Heard("oxi-1", t_ns, Block("spo2", (t_ns,), (value,), record=f"r{self._number}"))])
        await self.local.turn()

    async def alone(self, seconds: float = 200) -> None:
        """The server was last heard so long ago."""
        self.silent_s = seconds
        await self.local.turn()

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        self.silent_s = None if self.silent_s is None else self.silent_s and self.silent_s + seconds
        await self.local.turn()

    async def events(self) -> list[Event]:
        rows = [msgspec.json.decode(row.json, type=Row) for row in await self.spool.take(0, 10_000)]
        return [row.what for row in rows if isinstance(row.what, Event) and row.device == "oxi-1"]


@pytest.fixture
async def home(spool: Spool) -> Home:
    home = Home(spool)
    await home.local.open()
    return home


async def test_while_the_server_is_heard_the_home_is_told_nothing(home: Home) -> None:
    await home.measures(82, 82, 82)
    assert home.said == []
    view = home.local.view()
    assert (view.away, view.sentences) == (False, ("Your readings reach the service.",))


async def test_a_red_reading_while_it_is_away_is_said_and_written_down_as_urgent(home: Home) -> None:
    await home.alone()
    assert home.said == []
    await home.measures(82, 82, 82)
    [sentence] = home.said
    assert "SpO₂" in sentence
    assert "22 33 44 55" in sentence
    assert "113" in sentence
    events = await home.events()
    assert [(one.kind, one.data["rule"], one.data["level"]) for one in events] == [
        ("local.alarm", "spo2_floor", int(Level.HIGH)),
        ("local.alarm", "news2", int(Level.MEDIUM)),
    ]
    assert all(one.data["nb"] != one.data["en"] for one in events)
    urgent = await home.spool.take(0, 10, urgent=True)
    assert [one.seq for one in urgent] == [home.spool.status.last_seq - 1, home.spool.status.last_seq]


async def test_a_red_finding_is_said_again_until_somebody_has_seen_it(home: Home) -> None:
    await home.alone()
    await home.measures(82, 82, 82)
    await home.later(REPEAT_S - 1)
    assert len(home.said) == 1
    await home.later(1)
    assert home.said[0] == home.said[1]
    await home.local.seen()
    await home.local.seen()
    await home.later(REPEAT_S)
    assert len(home.said) == 2
    assert [event.kind for event in await home.events()] == ["local.alarm", "local.alarm", "local.seen", "local.seen"]
    assert not home.local.view().to_be_seen
    assert home.local.view().level is Level.HIGH, "what was seen still stands"


async def test_it_is_not_said_again_when_it_is_calm(home: Home) -> None:
    await home.alone()
    await home.measures(82, 82, 82)
    home.clock.advance(seconds=2_000)  # so long the rule holds on to what was low
    await home.measures(96, 96, 96, 96, 96)
    await home.later(REPEAT_S * 2)
    assert len(home.said) == 1
    assert home.local.view().level is not Level.HIGH


async def test_what_the_server_had_long_told_somebody_of_is_not_told_anew(home: Home) -> None:
    await home.measures(82, 82, 82)
    await home.later(KNOWN_S + 400)
    await home.alone(200)
    assert home.said == []
    await home.measures(80, 80, 80)
    assert home.said == [], "the same finding of the same rule"
    assert home.local.view().level is Level.HIGH, "but it is shown"


async def test_what_came_just_before_it_fell_silent_is_told(home: Home) -> None:
    """It may have been stored and nobody been rung: the server died with it in its hands."""
    await home.measures(82, 82, 82)
    home.clock.advance(seconds=300)
    await home.alone(200)
    assert len(home.said) == 1


async def test_a_hub_that_starts_without_a_server_goes_by_what_still_waits(spool: Spool) -> None:
    for n in range(3):
        t_ns = START_NS - (2 - n) * 30 * NS
        await spool.put([Heard("oxi-1", t_ns, Block("spo2", (t_ns,), (82.0,)))])
    home = Home(spool, away_after_s=0.000_001)
    home.silent_s = None
    await home.local.open()
    await home.local.turn()
    assert len(home.said) == 1


async def test_when_the_server_is_back_it_is_said_and_the_telling_stops(home: Home) -> None:
    await home.alone()
    await home.measures(82, 82, 82)
    await home.alone(0)
    assert "reached again" in home.said[1]
    home.clock.advance(seconds=REPEAT_S * 3)
    await home.local.turn()
    assert len(home.said) == 2
    assert not home.local.view().away


async def test_when_it_is_back_and_nothing_was_told_nothing_is_said(home: Home) -> None:
    await home.alone()
    assert "Nobody else sees your readings" in home.local.view().sentences[0]
    await home.alone(0)
    assert home.said == []


@pytest.mark.parametrize("programme", [b"rules = 7", b"rules = [", b'name = "\xff"'])
async def test_a_programme_that_cannot_be_used_is_not_taken_for_calm(
    spool: Spool, tmp_path: Path, programme: bytes
) -> None:
    (tmp_path / "bad.toml").write_bytes(programme)
    home = Home(spool, programme=str(tmp_path / "bad.toml"))
    await home.local.open()
    await home.alone()
    await home.measures(82, 82, 82)
    view = home.local.view()
    assert (home.local.blind, view.level) == (True, Level.UNKNOWN)
    assert "cannot judge" in view.sentences[-1]


@pytest.mark.parametrize(
    ("limits", "told", "outdated"),
    [({"spo2_floor": 92.0}, True, False), ({}, False, False), ({"spo2_flor": 92.0}, False, True)],
)
async def test_limits_from_afar_go_before_those_of_the_file_and_bad_ones_change_nothing(
    home: Home, limits: dict[str, float], told: bool, outdated: bool
) -> None:
    home.local.limits = lambda: limits
    await home.alone()
    await home.measures(91, 91, 91)
    assert ("spo2_floor" in {event.data["rule"] for event in await home.events()}) is told
    assert (home.local.blind, "spo2_flor" in home.local.outdated) == (False, outdated)


async def test_a_bug_in_what_makes_the_rules_is_not_taken_for_a_server_that_is_heard(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "__init__", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await home.alone()
    assert home.local.view().away
    home.local.blind = True  # as `run` notes it
    await home.later(15)
    assert "cannot judge" in home.local.view().sentences[-1]


async def test_a_rule_that_fails_ends_neither_the_hub_nor_the_watching(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.alone()
    with monkeypatch.context() as patch:
        patch.setattr(Judge, "verdicts", lambda *_: 1 / 0)
        await home.measures(82, 82, 82)
        assert (home.said, home.local.blind) == ([], True)
    await home.later(15)
    assert (len(home.said), home.local.blind) == (1, False)


async def test_a_row_that_no_driver_should_have_made_harms_nobody(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """The spool keeps it as a fault; whoever listens beside it gets it as it was."""
    await home.alone()
    await home.spool.put([Heard("oxi-1", START_NS, Block("spo2", (START_NS,), ("many",)))])  # type: ignore[arg-type]
    assert "a row is not looked at here" in caplog.messages
    await home.measures(82, 82, 82)
    assert len(home.said) == 1


async def test_it_looks_by_itself_at_what_is_new(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_module, "LOOK_S", 3600)
    home.silent_s = 500
    running = asyncio.create_task(home.local.run())
    told = asyncio.Event()
    home.tell = _then(told, home.said)  # type: ignore[method-assign]
    for n in range(3):
        t_ns = START_NS - (2 - n) * 30 * NS
        await home.spool.put([Heard("oxi-1", t_ns, Block("spo2", (t_ns,), (82.0,)))])
    async with asyncio.timeout(10):
        await told.wait()
    running.cancel()
    await asyncio.wait([running])


def _then(event: asyncio.Event, said: list[str]) -> Callable[[str], object]:
    async def tell(sentence: str) -> None:
        said.append(sentence)
        event.set()

    return tell


def test_a_programme_may_come_as_a_table(tmp_path: Path) -> None:
    import tomllib

    table = tomllib.loads(Path(PROGRAMME).read_text())
    assert made(table, {"spo2_floor": 88.0}).reads("spo2_floor") == ("spo2", "perfusion_index")
    with pytest.raises(ConfigError, match="no rule of the programme has a limit 'spo_floor'"):
        made(table, {"spo_floor": 88.0})
    with pytest.raises(ConfigError, match=r"\[local\].*unknown rule 'spo2_flor'"):
        made({**table, "rules": ["spo2_flor"]}, {})


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('programme = "copd.toml"\nlisten = "127.0.0.1:8017"', "programme .*copd.toml is not there"),
        (f'programme = "{PROGRAMME}"', "tells nobody: give it `listen`"),
        (f'programme = "{PROGRAMME}"\nlisten = "8017"', "listen = '8017' is no address"),
        (f'programme = "{PROGRAMME}"\ntell = ["say"]\naway_after_s = 30', "too short .* at least 40"),
        (f'programme = "{PROGRAMME}"\ntell = ["say"]\nlanguage = "se"', "language"),
    ],
)
def test_a_configuration_that_could_not_tell_anybody_is_refused(tmp_path: Path, lines: str, says: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'name = "home-01"\n[uplink]\n[local]\n{lines}\n')
    with pytest.raises(ConfigError, match=says):
        load(file)


# The same verdict as the server's

VALUES = st.sampled_from([70.0, 84.0, 88.0, 91.0, 93.0, 97.0, 101.0, 30.0])
STATUS = st.sampled_from([(), ("motion",), ("clock_unset",), ("stored",)])
RECORD = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]))
# Not weight: one that does not fit the patient the server holds until somebody says whose it is (decision 0007).
CHANNEL = st.sampled_from(["spo2", "pulse_rate", "resp_rate", "body_temp", "spo3", "pleth"])
AGE_S = st.integers(-400, 3 * 86_400)


@st.composite
def told(draw: st.DrawFn) -> Block | Event | Fault:
    t_ns = START_NS - draw(AGE_S) * NS
    device_t_ns = draw(st.sampled_from([None, 5, t_ns]))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return Fault("short packet", "", t_ns)
    if kind <= 2:
        data: dict[str, int | float | str] = {"dose_id": draw(st.integers(0, 2))}
        data["time_critical"] = draw(st.integers(0, 1))
        return Event("dispenser.missed", t_ns, data, draw(RECORD), device_t_ns)
    count = draw(st.integers(1, 3))
    values = tuple(draw(VALUES) for _ in range(count))
    times = tuple(t_ns + n * NS for n in range(count))
    return Block(draw(CHANNEL), times, values, 0, draw(STATUS), draw(RECORD), device_t_ns)


@settings(max_examples=20, deadline=None)
@given(whats=st.lists(told(), max_size=30), programme=st.sampled_from(["copd", "general", "heart-failure"]))
def test_the_hub_finds_what_the_server_finds(whats: list[Block | Event | Fault], programme: str) -> None:
    """Of the same rows, each told twice, as a device does that is not released: verdict by verdict, number by number.

    The server's are those of its readings as they are stored.
    """
    path = Path(PROGRAMME).with_name(f"{programme}.toml")
    rows = tuple(Row(seq, "oximeter", START_NS, what) for seq, what in enumerate([*whats, *whats]))
    # What has no name of its own is told apart by its row: it is not told twice.
    rows = tuple(row for row in rows if row.seq < len(whats) or _named(row.what))
    judge = made(str(path), {})
    home = Recent()
    home.hear(Heard(row.device, row.received_ns, row.what) for row in rows)
    here = judge.verdicts(home.samples(START_NS, steady_ns(), 1.0), START_NS)
    with TemporaryDirectory() as folder:
        town = Town(Path(folder))
        for first in range(0, len(rows), 50):
            batch = Batch("gw-1", "e", START_NS, rows[first : first + 50])
            town.server.receive(up("gw-1", "obs"), encode(batch))
        programmes = town.server.programmes
        rules, limits = programmes.rules(programme), {"eva": programmes.limits(programme, {})}
        with town.server.db.read() as tx:
            samples = recent(tx, ["eva"], needs(rules), START_NS)
        there = run(window(START_NS, ["eva"], samples, rules, limits), rules)
        town.server.close()
    assert here.level[:, 0].tolist() == there.level[:, 0].tolist()
    assert [_plain(one.because) for one in here.reasons(0)] == [_plain(one.because) for one in there.reasons(0)]


def _named(what: Block | Event | Fault) -> bool:
    if isinstance(what, Fault):
        return False
    unset = isinstance(what, Block) and "clock_unset" in what.status
    return what.record is not None or (what.device_t_ns is not None and not unset)


def _plain(because: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 9) for name, value in because.items()}


def test_where_the_hubs_clock_was_set_meanwhile_the_samples_move_with_it() -> None:
    """They came by a clock an hour ahead: unmoved they would be of the future, and nobody would see them."""
    home = Recent()
    mono_ns = steady_ns()
    home.hear([Heard("oxi-1", START_NS + HOUR_NS, spo2(82, START_NS + HOUR_NS), mono_ns)])
    [moved] = home.samples(START_NS + 60 * NS, mono_ns + 60 * NS, 1.0)
    assert moved.t_ns == START_NS
    [as_it_is] = home.samples(START_NS + HOUR_NS + 60 * NS, mono_ns + 60 * NS, 1.0)
    assert as_it_is.t_ns == START_NS + HOUR_NS


def test_it_keeps_as_many_of_each_as_any_rule_wants_to_see() -> None:
    assert max(need.samples for need in needs(catalogue().values()).values()) <= KEEP


def test_it_does_not_grow_for_ever() -> None:
    home = Recent()
    for n in range(10_000):
        home.hear([Heard("oxi-1", START_NS, Block("spo2", (START_NS + n,), (97.0,), record=f"r{n}"))])
    kept = list(home.samples(START_NS, steady_ns(), 1.0))
    assert [one.t_ns - START_NS for one in kept] == list(range(10_000 - MOST, 10_000))
    assert len(home._known) <= 2 * MOST
    for n in range(10_000):
        t_ns = START_NS + n * 60 * NS
        home.hear([Heard("oxi-1", t_ns, Block("spo2", (t_ns,), (97.0,)))])
    assert len(list(home.samples(t_ns, steady_ns(), 1.0))) <= KEEP + HELD_S / 60 + SAMPLES + 1
    assert len(home._known) <= 2 * MOST


# A device that streams

STREAMED_H = 48
MINUTE_NS = 60 * NS


def _stream(until_ns: int) -> Iterator[Block]:
    """Two days of a finger in the clip, five minutes of each hour: a reading a second, a minute to a block.

    In the last minute of each hour the finger moves, and what is measured is doubted; in the last nine it is low.
    """
    for hours_left in reversed(range(STREAMED_H)):
        for minutes_left in reversed(range(5)):
            start_ns = until_ns - hours_left * HOUR_NS - (minutes_left + 1) * MINUTE_NS
            times = tuple(start_ns + second * NS for second in range(1, 61))
            usual = 88.0 if hours_left < 9 else 95.0
            values = tuple(usual + (second * 7 + hours_left * 3 + minutes_left) % 4 for second in range(60))
            yield Block("spo2", times, values, 0, () if minutes_left else ("motion",))
            yield Block("pulse_rate", times, tuple(value - 20 for value in values))


def test_of_a_stream_the_hub_finds_for_days_what_the_server_finds(tmp_path: Path) -> None:
    """Also what is usual for this person, which no hundred newest readings tell."""
    town, home = Town(tmp_path), Recent()
    now_ns = town.clock.now_ns()
    rows = [Row(seq, "oximeter", what.t_ns[-1], what) for seq, what in enumerate(_stream(now_ns))]
    home.hear(Heard(row.device, row.received_ns, row.what) for row in rows)
    for first in range(0, len(rows), 10):
        town.server.receive(up("gw-1", "obs"), encode(Batch("gw-1", "e", now_ns, tuple(rows[first : first + 10]))))
    assert town.aside() == []
    judge = made(str(Path(PROGRAMME).with_name("frail-elderly.toml")), {})
    here = judge.verdicts(home.samples(now_ns, steady_ns(), 1.0), now_ns)
    rules = town.server.programmes.rules("frail-elderly")
    limits = limits_of(rules, ["eva"], {"eva": town.server.programmes.limits("frail-elderly", {})})
    with town.server.db.read() as tx:
        there = run(server_window(tx, ["eva"], rules, limits, now_ns), rules)
    town.server.close()
    assert here.level[:, 0].tolist() == there.level[:, 0].tolist()
    for rule, mine, its in zip(rules, here.because, there.because, strict=True):
        for name in mine:
            np.testing.assert_array_equal(mine[name], its[name], f"{rule.name} {name}")
    told = {one.rule: one for one in here.reasons(0)}
    assert told["personal_baseline"].because["spo2_usual"] == pytest.approx(95, abs=2)
    (drop,) = (because for rule, because in zip(rules, here.because, strict=True) if rule.name == "spo2_drop")
    assert drop["usual"][0] == pytest.approx(95, abs=2), "a stream does not wash away what is usual"


async def test_of_a_stream_what_the_server_had_long_told_is_not_told_anew(home: Home) -> None:
    start_ns = home.clock.now_ns()
    stream = [Block("spo2", (start_ns + second * NS,), (82.0,)) for second in range(1, 1_500)]
    await home.spool.put([Heard("oxi-1", block.t_ns[0], block) for block in stream])
    home.clock.advance(seconds=1_500)
    await home.alone(200)
    assert home.said == []
    assert home.local.view().level is Level.HIGH
