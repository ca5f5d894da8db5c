"""What a driver makes of a burst: nothing told twice, nothing released before it is stored, nothing lost to a bug."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Bookmark, Out, Rx, Tx
from gateway.spool.raw import Kept
from gateway.visits.meaning import MOST_FAULT_BYTES, Meaning, bug, fed, sound, summary
from tests.gateway.visits.scripted import T0_NS, Scripted, pulse
from vitals.block import Block
from vitals.events import Event, Fault

NOW, LATER = Tx("2a52", b"now"), Tx("2a52", b"later", after_stored=True)


def packet(n: int, tried: str | None = None, told: int = 0) -> Kept:
    return Kept(n, Rx("2a5f", b"", T0_NS + n), tried, told)


def test_what_is_told_is_dated_by_its_packet_and_keeps_its_order() -> None:
    meaning = Meaning("oxi-1")
    meaning.take(packet(1), [pulse(60), pulse(61)])
    meaning.take(packet(2), [Bookmark("7"), pulse(62)])
    assert [(one.received_ns - T0_NS, one.what.value) for one in meaning.heard] == [(1, (60,)), (1, (61,)), (2, (62,))]
    assert meaning.bookmark == "7"
    assert (meaning.told_before, meaning.told, meaning.count) == (1, 2, 1)


def test_a_packet_that_tells_nothing_is_still_untold() -> None:
    meaning = Meaning("oxi-1")
    assert meaning.take(packet(1), [NOW]) == [NOW]
    assert (meaning.told, meaning.sent, meaning.sensible) == (None, True, True)


@given(st.lists(st.lists(st.sampled_from([NOW, LATER, pulse(60), Bookmark("1")]), max_size=4), max_size=6))
def test_all_that_is_sent_goes_in_its_order_and_nothing_overtakes_what_waits(burst: list[list[Out]]) -> None:
    meaning = Meaning("oxi-1")
    at_once = [tx for n, outs in enumerate(burst, 1) for tx in meaning.take(packet(n), outs)]
    asked = [out for outs in burst for out in outs if isinstance(out, Tx)]
    first = next((place for place, tx in enumerate(asked) if tx.after_stored), len(asked))
    assert (at_once, meaning.held) == (asked[:first], asked[first:])


def test_a_packet_that_is_tried_again_tells_what_it_had_not_told_and_turns_no_page_back() -> None:
    meaning = Meaning("oxi-1")
    meaning.take(packet(4, tried="9.1.0", told=2), [pulse(60), pulse(61), Bookmark("3"), pulse(62)])
    assert [one.what.value for one in meaning.heard] == [(62,)]
    assert meaning.bookmark is None, "the device has been read further since"
    assert meaning.count == 3


def test_what_a_driver_told_before_it_failed_counts() -> None:
    class Failing(Scripted):
        def feed(self, rx: Rx) -> Iterator[Out]:
            yield pulse(60)
            raise ValueError("an index out of range")

    outs, error = fed(Failing(), packet(1).rx)
    assert outs == [pulse(60)]
    assert error is not None
    fault = bug("oxi-1", error, T0_NS, b"x" * 1_000, "2a5f").what
    assert isinstance(fault, Fault)
    assert (fault.code, fault.text) == ("driver bug", "ValueError: an index out of range")
    assert len(fault.data) == MOST_FAULT_BYTES


@pytest.mark.parametrize(
    "unsound",
    [
        Block("pulse_rate", (T0_NS,), (float("nan"),)),
        Block("pulse_rate", (T0_NS,), (float("inf"),)),
        Block("pulse_rate", (T0_NS,), (60.0, 61.0)),
        Block("pulse_rate", (), ()),
    ],
)
def test_a_block_that_cannot_be_is_a_fault_of_its_channel(unsound: Block) -> None:
    fault = sound(unsound)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.channel) == ("driver bug", "pulse_rate")


def test_the_log_says_what_was_stored_and_never_how_much_it_was() -> None:
    meaning = Meaning("oxi-1")
    meaning.take(packet(1), [pulse(61), pulse(62), Event("dose.taken", T0_NS), Fault("checksum", "off by 1", T0_NS)])
    assert summary(meaning.heard) == "2 pulse_rate, dose.taken, fault"
