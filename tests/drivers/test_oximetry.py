"""Out of a hundred packets a second, one reading and at most one fault for each channel, and none late."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from drivers._oximetry import CHANNELS, EachSecond
from drivers._reading import Missing, Number
from drivers.contract import Rx
from vitals.block import Block
from vitals.clock import MS, NS
from vitals.events import Fault

START_NS = 1_795_248_000 * NS
NONE = Missing("none")
VALUE = st.sampled_from((Number(97.0), Number(96.0), Number(3.0), NONE))


def told(each_second: EachSecond, t_ns: int, spo2: Number | Missing, pulse: Number | Missing) -> list[Block | Fault]:
    return list(each_second.take(Rx("serial", b"packet", t_ns), spo2, pulse))


@given(st.lists(st.tuples(VALUE, VALUE, st.integers(0, 400)), max_size=60))
def test_never_more_than_one_of_a_kind_in_a_second(
    packets: list[tuple[Number | Missing, Number | Missing, int]],
) -> None:
    each_second = EachSecond()
    t_ns = START_NS
    seen: Counter[tuple[type, str, int]] = Counter()
    for spo2, pulse, wait_ms in packets:
        t_ns += wait_ms * MS
        for out in told(each_second, t_ns, spo2, pulse):
            seen[type(out), out.channel, t_ns // NS] += 1
    assert set(seen.values()) <= {1}


@given(st.lists(st.tuples(VALUE, st.integers(0, 400)), max_size=60))
def test_a_second_with_a_good_number_has_its_first(packets: list[tuple[Number | Missing, int]]) -> None:
    each_second = EachSecond()
    t_ns = START_NS
    first: dict[int, float] = {}
    got: dict[int, float] = {}
    for spo2, wait_ms in packets:
        t_ns += wait_ms * MS
        if isinstance(spo2, Number) and spo2.value > 90:
            first.setdefault(t_ns // NS, spo2.value)
        for out in told(each_second, t_ns, spo2, Number(70.0)):
            if isinstance(out, Block) and out.channel == "spo2":
                got[t_ns // NS] = out.value[0]
    assert got == first


def test_a_second_is_done_when_both_are_told() -> None:
    each_second = EachSecond()
    told(each_second, START_NS, NONE, Number(70.0))
    assert not each_second.done(START_NS)
    told(each_second, START_NS, Number(97.0), Number(70.0))
    assert each_second.done(START_NS + NS - 1)
    assert not each_second.done(START_NS + NS)


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    each_second = EachSecond()
    for t_ns in (START_NS, START_NS - 3600 * NS):
        assert [out.channel for out in told(each_second, t_ns, Number(97.0), Number(70.0))] == list(CHANNELS)


def test_a_device_of_one_packet_a_second_is_never_thinned() -> None:
    each_packet = EachSecond(thin=False)
    for _ in range(3):
        assert len(told(each_packet, START_NS, Number(97.0), Number(70.0))) == 2
        assert not each_packet.done(START_NS)
