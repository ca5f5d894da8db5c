"""Every installed driver and every capture, without a line of test code for either.

A driver file put into `drivers/` and a capture put beside this file are found and held to the promises of
`drivers/contract.py`: never raise, never a number that is none, never an implausible one, say what you will give.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.capture import Capture, Step, differences, parse, play
from drivers.catalogue import catalogue, find
from drivers.contract import Driver, Link, Out, Rx, Tx
from tests.drivers.soundness import sound
from tests.fuzz.script import packets_of, talk
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.events import Event

CAPTURES = {path.stem: parse(path.read_text(), path.name) for path in Path(__file__).parent.glob("captures/*.cap")}
NOW_NS = 1_795_248_000_000_000_000
LONG = 20
SEGMENTED = {"ghs-1840"}
"""Drivers of devices that may tell a measurement in two packets: damage to one is damage to both."""
NAMED_BY_CLOCK = {"cgm-181f"}
"""Drivers of devices whose records are named, for want of anything else, by the beginning of the session."""

each_capture = pytest.mark.parametrize("name", sorted(CAPTURES))
each_driver = pytest.mark.parametrize("name", sorted(catalogue()))


def is_stream(capture: Capture) -> bool:
    return find(capture.driver).card.link is Link.SERIAL


# Whole


@each_capture
def test_a_capture_means_what_it_says(name: str) -> None:
    capture = CAPTURES[name]
    told = [
        f"line {one.line}\n  expected: {chr(10).join(one.expected)}\n  driver:   {chr(10).join(one.got)}"
        for one in differences(capture, find(capture.driver))
    ]
    assert not told, "\n".join(told)


@each_capture
def test_all_that_a_capture_gives_is_sound(name: str) -> None:
    driver = find(CAPTURES[name].driver)
    for _, outs in play(CAPTURES[name], driver):
        for out in outs:
            sound(driver.card, out)


def test_every_driver_has_captures() -> None:
    """One that works, and one in which something is wrong."""
    for name in catalogue():
        mine = [capture for capture in CAPTURES.values() if capture.driver == name]
        lines = [line for capture in mine for step in capture.steps for line in step.expected]
        assert any(line[0] in "=@" for line in lines), f"no capture of {name} gives a reading or an event"
        assert any(line[0] == "!" for line in lines), f"no capture of {name} shows a fault"


@each_capture
def test_the_same_bytes_twice_are_the_same_record(name: str) -> None:
    """A record fetched again has the identical identity, so that the server keeps one."""
    driver = find(CAPTURES[name].driver)
    first, second = (
        {
            (out.channel, out.device_t_ns, out.value, out.record)
            for _, outs in play(CAPTURES[name], driver)
            for out in outs
            if isinstance(out, Block) and out.record
        }
        for _ in range(2)
    )
    assert first == second


# In pieces: streams only, for a stream alone may be cut anywhere


def outcome(capture: Capture, pieces: random.Random | None) -> list[tuple[Out, ...]]:
    def cut(data: bytes) -> list[bytes]:
        if pieces is None:
            return [bytes((byte,)) for byte in data]
        at = sorted(pieces.randrange(len(data) + 1) for _ in range(pieces.randrange(6)))
        return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]

    return [outs for _, outs in play(capture, find(capture.driver), cut)]


@each_capture
def test_a_stream_may_be_cut_anywhere(name: str) -> None:
    capture = CAPTURES[name]
    whole = [outs for _, outs in play(capture, find(capture.driver))]
    if is_stream(capture):
        assert outcome(capture, None) == whole
        for seed in range(50):
            assert outcome(capture, random.Random(seed)) == whole, f"seed {seed}"
    else:
        assert all(step.rx is None or step.rx.pipe != "serial" for step in capture.steps)


# Damaged


def damages(data: bytes) -> Iterator[bytes]:
    """Every bit turned over, every byte left out, every length, and some bytes too many at every place."""
    for at in range(len(data)):
        for bit in range(8):
            yield data[:at] + bytes((data[at] ^ 1 << bit,)) + data[at + 1 :]
        yield data[:at] + data[at + 1 :]
        yield data[:at]
    for at in range(len(data) + 1):
        for more in (b"\x00", b"\xff", b"\x55\xaa", data[:3]):
            yield data[:at] + more + data[at:]


def damaged(capture: Capture) -> Iterator[tuple[int, list[tuple[Out, ...]]]]:
    """The capture played with one packet damaged, for each packet and damage: which step, and what came.

    In a long capture, whose packets are much alike, each packet gets a sample of the damages.
    """
    driver = find(capture.driver)
    for hurt, step in enumerate(capture.steps):
        ways = list(damages(step.rx.data)) if step.rx else []
        if len(capture.steps) > LONG:
            ways = random.Random(hurt).sample(ways, min(40, len(ways)))
        for data in ways:
            reader = driver(capture.bookmark)
            yield hurt, [tuple(told(reader, one, data if at == hurt else None)) for at, one in enumerate(capture.steps)]


def told(reader: Driver, step: Step, instead: bytes | None) -> Iterator[Out]:
    if step.rx is None:
        yield from reader.hello(step.t_ns)
    else:
        yield from reader.feed(Rx(step.rx.pipe, step.rx.data if instead is None else instead, step.rx.t_ns))


def event_facts(outs: list[tuple[Out, ...]]) -> set[tuple[object, ...]]:
    """What the device itself says of its events: all but the time that is worked out here."""
    return {
        (out.kind, out.record, out.device_t_ns, *sorted((k, v) for k, v in out.data.items() if k != "clock_unset"))
        for step in outs
        for out in step
        if isinstance(out, Event)
    }


@each_capture
def test_damage_never_becomes_a_reading_of_a_living_person_that_was_not_sent(name: str) -> None:
    """A packet has no check of its own, so a bit may change a number; it stays finite and plausible, and alone.

    A stream is checked: a damaged frame gives no event that the whole one would not. An advert is repeated: what one
    that was damaged did not tell, the next may, so beside it there is no reading that the whole capture has not.
    """
    capture = CAPTURES[name]
    driver = find(capture.driver)
    whole = [outs for _, outs in play(capture, driver)]
    told_whole = [value for outs in whole for value in values(outs)]
    for hurt, outs in damaged(capture):
        for step in outs:
            for out in step:
                sound(driver.card, out)
        if is_stream(capture):
            assert event_facts(outs) <= event_facts(whole), f"step at line {capture.steps[hurt].line}"
        elif driver.card.link is Link.ADVERT:
            assert all(value in told_whole for at, now in enumerate(outs) if at != hurt for value in values(now))
        else:
            for at, (now, before) in enumerate(zip(outs, whole, strict=True)):
                part_of_hurt = at == hurt or (capture.driver in SEGMENTED and at == hurt + 1)
                assert part_of_hurt or values(now, capture.driver) == values(before, capture.driver)


def values(outs: tuple[Out, ...], driver: str = "") -> list[object]:
    """The readings of a packet without their times, which a damaged clock may move, nor what is named by one."""
    named = driver not in NAMED_BY_CLOCK
    return [(out.channel, out.value, out.record if named else None) for out in outs if isinstance(out, Block)]


@each_driver
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_conversation_makes_a_driver_raise_or_read_a_special_as_a_number(name: str, data: st.DataObject) -> None:
    """`make fuzz` holds a million packets' worth of them with each driver."""
    talk(find(name), packets_of(name), data.draw(st.binary(max_size=400), label="script"))


# Cards


@each_driver
def test_a_card_says_who_the_driver_is_for(name: str) -> None:
    card = find(name).card
    assert card.name == name == name.lower()
    assert card.maker
    assert card.model
    assert card.source
    assert card.channels or card.events
    assert set(card.channels) <= set(CHANNELS)
    assert len(set(card.channels)) == len(card.channels)


@each_driver
def test_a_card_says_how_its_device_is_reached(name: str) -> None:
    card = find(name).card
    if card.link is Link.SERIAL:
        assert card.serial is not None
        assert card.serial.parity in "NEO"
        assert not card.notify
        assert not card.read
    else:
        assert card.serial is None
        assert card.services or card.local_names
        overheard = [pipe for pipe in card.notify if pipe.startswith("advert:")]
        for uuid in (*card.services, *(pipe.removeprefix("advert:") for pipe in card.notify), *card.read, *card.write):
            assert uuid == uuid.lower()
            assert len(uuid) in (4, 36)
        assert card.quiet_s > 0
        assert card.settle_s >= 0
    if card.link is Link.BLE:
        assert card.notify or card.read
        assert not overheard
    if card.link is Link.ADVERT:
        assert overheard == list(card.notify) != []
        assert not card.read
        assert not card.write
        assert not card.pair


@each_driver
def test_hello_asks_on_pipes_the_device_has(name: str) -> None:
    driver = find(name)
    card = driver.card
    asks = driver().hello(NOW_NS)
    assert all(isinstance(ask, Tx) for ask in asks)
    assert all(ask.pipe in ("serial", *card.notify, *card.read, *card.write) for ask in asks)
