"""A recording without a name: told once and whole however it grows, and never somebody else's."""

from hypothesis import given
from hypothesis import strategies as st

from drivers._recording import NOTHING, Known, Sample, found, known, told
from drivers.contract import Rx
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Fault

NOW_NS = 1_795_248_000 * NS
EMPTY = Known(NOTHING)
SAMPLES = st.lists(st.tuples(st.integers(60, 100), st.integers(40, 180)), min_size=1, max_size=30)
LONG = [(95, 60 + second % 7) for second in range(1500)]


def spo2(samples: list[Sample], before: Known, began_ns: int | None = None) -> list[Block]:
    outs = list(told(Rx("serial", b"", NOW_NS), samples, before, began_ns))
    assert not any(isinstance(out, Fault) for out in outs)
    return [out for out in outs if isinstance(out, Block) and out.channel == "spo2"]


@given(SAMPLES, st.data())
def test_however_it_grows_each_second_is_told_once(samples: list[Sample], data: st.DataObject) -> None:
    before, values = EMPTY, []
    for size in [*sorted(data.draw(st.lists(st.integers(1, len(samples)), max_size=4))), len(samples)]:
        values += [value for block in spo2(samples[:size], before) for value in block.value]
        before = known(found(samples[:size]).text)
    assert values == [float(sample[0]) for sample in samples]


def test_what_was_there_at_the_first_visit_is_only_remembered() -> None:
    (fault,) = told(Rx("serial", b"", NOW_NS), LONG, Known())
    assert isinstance(fault, Fault)
    assert fault.code == "unknown recording"
    assert list(told(Rx("serial", b"", NOW_NS), [], Known())) == []
    assert spo2(LONG, found(LONG)) == []


def test_a_long_one_is_told_in_parts_that_have_names_of_their_own() -> None:
    blocks = spo2(LONG, EMPTY, began_ns=NOW_NS - 7200 * NS)
    assert [len(block.value) for block in blocks] == [600, 600, 300]
    assert len({block.record for block in blocks}) == 3
    assert [block.t_ns[0] - NOW_NS for block in blocks] == [(at - 7200) * NS for at in (0, 600, 1200)]


def test_of_an_unknown_time_it_is_as_late_as_it_can_be() -> None:
    (block,) = spo2([(97, 60), (0, 0), (96, 61)], EMPTY)
    assert block.t_ns == (NOW_NS - 2 * NS, NOW_NS)
    assert block.status == ("clock_unset", "stored")


def test_two_that_are_alike_have_two_names_if_another_was_between() -> None:
    first, other = [(97, 60)] * 5, [(92, 80)] * 5
    names = [spo2(first, EMPTY)[0].record, spo2(first, found(other))[0].record]
    assert names[0] != names[1]
    assert spo2(first, EMPTY)[0].record == names[0], "fetched again after a crash it is the same"


@given(st.text(max_size=20))
def test_a_bookmark_that_is_not_ours_is_that_of_a_device_never_visited(text: str) -> None:
    name, _, count = text.partition(" ")
    ours = bool(name) and count.isascii() and count.isdecimal()
    assert (known(text) == Known()) != ours
