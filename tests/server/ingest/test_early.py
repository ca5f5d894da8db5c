"""What was read before its turn is filed as if it had not been: the same readings, answers, and things set aside."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.fleet.seals import give_key
from server.fleet.store import quarantine
from server.ingest.early import Letter, read_early
from server.ingest.parcel import Message
from server.ingest.store import Early
from server.readings import journal
from tests.server.conftest import START_NS, Town, at, spo2
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event
from vitals.seal import Key
from vitals.wire import Batch, Health, Row, State, encode, state, up

SECRET = bytes(range(32))
NAMES = itertools.count()
HANDED_OVER_NS = at("2026-03-01T12:00:00")


def block(seq: int, spool: str) -> Block | Event:
    """What a row of that number of a spool says, always the same and like no other: mostly something ordinary."""
    t_ns = START_NS - 60 * NS + crc32(spool.encode()) + seq
    odd: dict[int, Block | Event] = {
        3: Event("dispenser.jam", t_ns),
        7: spo2(900.0, t_ns),
        11: Block("spo3", (t_ns,), (1.0,)),
        13: Block("pulse_rate", (t_ns, t_ns + 1), (70.0, 71.0)),
        17: spo2(94.0, HANDED_OVER_NS + NS),
        19: spo2(94.0, START_NS + 400 * NS),
        23: Block("weight", (t_ns,), (60.0,), 1),
    }
    record, device_t_ns = f"{spool}/{seq}" if seq % 5 == 4 else None, None if seq % 2 else t_ns
    return odd.get(seq % 29, spo2(90.0 + seq % 9, t_ns, record=record, device_t_ns=device_t_ns))


class Drawn(NamedTuple):
    """A message of a gateway. In its second epoch its clock is an hour ahead. `fate`: what it is, or comes to."""

    gateway: str
    epoch: int
    numbers: range
    fate: str


@st.composite
def drawn_messages(draw: st.DrawFn) -> Drawn:
    first = draw(st.integers(0, 40))
    return Drawn(
        draw(st.sampled_from(["gw-1", "gw-2", "gw-3"])),
        draw(st.sampled_from([0, 0, 0, 1])),
        range(first, first + draw(st.integers(0, 6))),
        draw(st.sampled_from(["", "", "", "", "unsealed", "cut", "foreign", "nonsense", "health", "state"])),
    )


def made(drawn: Drawn, name: str) -> Message:
    gateway, epoch, numbers, fate = drawn
    off_ns, mono_ns = (3600 * NS, 49 * NS) if epoch else (0, None)
    spool = f"{gateway}/{name}-{epoch}"
    boot = {"boot": "b", "mono_ns": 50 * NS, "boots": ((0, "b"),)} if epoch else {}
    devices = ["?" if n % 31 == 30 else "scale" if n % 10 == 9 else "oximeter" for n in numbers]
    rows = tuple(
        Row(n, device, START_NS - NS + off_ns, block(n, spool), mono_ns)
        for n, device in zip(numbers, devices, strict=True)
    )
    named = "gw-1" if fate == "foreign" else gateway
    batch = Batch(named, f"{name}-{epoch}", START_NS + off_ns, rows, **boot)  # type: ignore[arg-type]
    topic, body = up(gateway, "obs"), encode(batch)
    if fate == "health":
        topic, body = up(gateway, "health"), encode(Health(gateway, name, START_NS, "1", 0))
    elif fate == "state":
        topic, body = state(gateway), encode(State(gateway, online=False, t_ns=START_NS))
    elif fate == "nonsense":
        body = b"{" + bytes(range(40))
    payload = Key(SECRET).seal(topic, body) if gateway == "gw-2" and fate != "unsealed" else body
    return topic, payload[:-3] if fate == "cut" else payload


class Two:
    """Two towns to which the same is sent, one of which has read it before."""

    def __init__(self, folder: Path) -> None:
        self.towns = []
        for name in ("plain", "early"):
            (folder / name).mkdir()
            town = Town(folder / name)
            with town.server.db.write() as tx:
                give_key(tx, "gw-2", SECRET, START_NS)
            self.towns.append(town)

    def send(self, messages: Sequence[Message], cuts: Sequence[int]) -> None:
        plain, early = self.towns
        bounds = sorted({0, len(messages), *(cut % (len(messages) + 1) for cut in cuts)})
        parts = [messages[start:stop] for start, stop in itertools.pairwise(bounds)]
        read = [Early(part, read_early(part, 1.0)) for part in parts if part]
        assert sorted(plain.server.receive_many(messages)) == sorted(early.server.receive_many(messages, read))
        assert self._kept(plain) == self._kept(early)

    def _kept(self, town: Town) -> object:
        with town.server.db.read() as tx:
            entries = journal.read(tx, 0, 10_000)
            aside = sorted((one.gateway, one.reason, one.data) for one in quarantine(tx, 10_000))
            readings = sorted((one for entry in entries for one in entry.readings), key=lambda one: one.identity)
            events = sorted((one for entry in entries for one in entry.events), key=lambda one: one.identity)
            return readings, events, aside, journal.stored(tx)

    def close(self) -> None:
        for town in self.towns:
            town.server.close()


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with TemporaryDirectory() as folder:
        both = Two(Path(folder))
        yield both
        both.close()


@settings(max_examples=60)
@given(st.lists(drawn_messages(), min_size=1, max_size=8), st.lists(st.integers(0, 8), max_size=2), st.booleans())
def test_what_was_read_early_is_filed_and_answered_as_if_it_had_not_been(
    two: Two, drawn: list[Drawn], cuts: list[int], again: bool
) -> None:
    name = f"e{next(NAMES)}"
    messages = [made(one, name) for one in drawn]
    two.send(messages, cuts)
    if again:
        two.send(messages[::2] + messages, cuts)


def test_ordinary_batches_are_read_early_sealed_or_not_and_none_is_read_again(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = [Drawn(f"gw-{n % 2 + 1}", 0, range(290 * n + 24, 290 * n + 26), "") for n in range(6)]
    messages = [made(one, "ordinary") for one in drawn]
    opened: list[str] = []
    real = read_early(messages, 1.0)
    monkeypatch.setattr("server.ingest.store.open_parcel", lambda topic, *_: opened.append(topic))
    _, early = two.towns
    early.server.receive_many(messages, [Early(messages, real)])
    assert [letter.place for section in real for letter in section.letters] == [0, 1, 2, 3, 4, 5]
    assert opened == []


def test_one_odd_batch_leaves_the_others_together() -> None:
    drawn = [Drawn("gw-1", 0, range(29 * n, 29 * n + 2), "") for n in range(8)]
    drawn[3] = Drawn("gw-1", 0, range(3, 4), "")
    sections = read_early([made(one, "odd") for one in drawn], 1.0)
    places = [[letter.place for letter in section.letters] for section in sections]
    assert places == [[0, 1], [2], [4, 5, 6, 7]]


def test_a_letter_says_of_its_rows_what_the_rows_say() -> None:
    drawn = Drawn("gw-1", 1, range(53, 56), "")
    (section,) = read_early([made(drawn, "told")], 1.0)
    (letter,) = section.letters
    assert isinstance(letter, Letter)
    assert (letter.gateway, letter.epoch, letter.rows, letter.ranges) == ("gw-1", "told-1", 3, ((53, 55),))
    t_ns = section.columns().sheaf.rows["t_ns"].tolist()
    assert (letter.first_ns, letter.last_ns) == (min(t_ns), max(t_ns))
    assert letter.devices == section.devices == ("oximeter",)
