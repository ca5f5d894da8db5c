"""The ordinary lane and the careful way file the same, or the lane steps aside; however many batches come together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ingest.columns import in_columns
from server.ingest.filing import AHEAD_NS, EARLIEST_NS, file
from server.ingest.lane import ordinary
from server.ingest.parcel import Parcel
from server.patients.store import Whose
from server.readings.model import Reading
from server.readings.sheaf import Sheaf
from tests.server.conftest import START_NS
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event, Fault
from vitals.wire import Batch, Row, decode, encode

HANDED_ON_NS = START_NS - 3600 * NS
WHOSE = Whose([("ox", 0, HANDED_ON_NS, "odd"), ("ox", HANDED_ON_NS, None, "eva"), ("scale", 0, None, "eva")])

STATUS = st.sampled_from([(), ("stored",), ("motion", "stored"), ("clock_unset",), ("user_2",)])
ORDINARY = st.builds(
    Block,
    st.sampled_from(["spo2", "pulse_rate", "weight"]),
    st.tuples(st.integers(START_NS - 3000 * NS, START_NS + AHEAD_NS)),
    st.tuples(st.floats(60, 99)),
    st.integers(-9, 9),
    STATUS,
    st.none() | st.text(max_size=5),
    st.none() | st.integers(-(2**63) + 1, 2**63 - 1),
)
ODD = st.one_of(
    st.builds(
        Block,
        st.sampled_from(["spo2", "spo3"]),
        st.sampled_from(
            [(), (START_NS, START_NS), (START_NS + AHEAD_NS + 1,), (EARLIEST_NS - 1,), (HANDED_ON_NS - 1,), (2**70,)]
        ),
        st.sampled_from([(), (90.0,), (90.0, 91.0), (900.0,), (1e300,)]),
        st.sampled_from([0, 10]),
    ),
    st.just(Block("spo2", (START_NS,), (97.0,), device_t_ns=2**63)),
    st.just(Event("dispenser.jam", START_NS)),
    st.just(Fault("short packet", "two bytes", START_NS)),
)


def rows(what: list[Any], devices: list[str], received_ns: int = START_NS) -> tuple[Row, ...]:
    """As they come out of a message."""
    given = tuple(Row(n, devices[n % len(devices)], received_ns, one) for n, one in enumerate(what))
    return decode(encode(Batch("g", "e", START_NS, given)), Batch).rows


def alone(given: tuple[Row, ...]) -> Sheaf | None:
    return ordinary([Parcel("g", "e", given)], WHOSE, START_NS)


def carefully(given: tuple[Row, ...], gateway: str = "g") -> list[object]:
    found: list[object] = []
    for row in given:
        filed = file(row, gateway, "e", WHOSE, START_NS)
        found += filed if isinstance(filed, list) else [filed]
    return found


@given(what=st.lists(ORDINARY, min_size=1, max_size=12), devices=st.lists(st.sampled_from(["ox", "scale"]), min_size=1))
def test_what_is_ordinary_takes_the_lane_and_is_filed_the_same(what: list[Block], devices: list[str]) -> None:
    given = rows(what, devices)
    sheaf = alone(given)
    assert sheaf is not None
    assert sheaf.readings() == carefully(given)
    assert sheaf.rows["good"].tolist() == [one.good for one in sheaf.readings()]


@given(
    what=st.lists(ORDINARY | ODD, min_size=1, max_size=8), devices=st.lists(st.sampled_from(["ox", "?"]), min_size=1)
)
def test_whatever_comes_the_lane_never_files_anything_else(what: list[Any], devices: list[str]) -> None:
    try:
        given = rows(what, devices)
    except OverflowError:  # no such number can be written into a message
        return
    sheaf = alone(given)
    if sheaf is not None:
        assert sheaf.readings() == carefully(given)


@given(st.lists(st.lists(ORDINARY | ODD, min_size=1, max_size=3), max_size=7), st.sampled_from(["ox", "?"]))
def test_batches_that_come_together_are_filed_as_each_alone_and_in_their_order(
    batches: list[list[Any]], device: str
) -> None:
    try:
        parcels = [Parcel(f"g{n}", "e", rows(what, [device, "ox"])) for n, what in enumerate(batches)]
    except OverflowError:
        return
    found: list[object] = []
    for one in in_columns(parcels, lambda some: ordinary(some, WHOSE, START_NS)):
        if isinstance(one, Parcel):
            assert ordinary([one], WHOSE, START_NS) is None
            found += carefully(one.rows, one.gateway)
        else:
            found += one.readings()
    assert found == [filed for one in parcels for filed in carefully(one.rows, one.gateway)]


GOOD = Block("spo2", (START_NS,), (97.0,))


def test_one_odd_batch_among_many_leaves_the_others_together() -> None:
    odd = Parcel("g3", "e", rows([GOOD, Event("dispenser.jam", START_NS)], ["ox"]))
    parcels = [Parcel(f"g{n}", "e", rows([GOOD] * 2, ["ox"])) if n != 3 else odd for n in range(8)]
    found = list(in_columns(parcels, lambda some: ordinary(some, WHOSE, START_NS)))
    assert [len(one) if isinstance(one, Sheaf) else one for one in found] == [4, 2, odd, 8]


@pytest.mark.parametrize(
    "odd",
    [
        Block("spo3", (START_NS,), (97.0,)),
        Block("spo2", (START_NS, START_NS), (97.0, 98.0)),
        Block("spo2", (START_NS,), (101.0,)),
        Block("spo2", (START_NS,), (97.0,), 10),
        Block("spo2", (START_NS + AHEAD_NS + 1,), (97.0,)),
        Block("spo2", (EARLIEST_NS - 1,), (97.0,)),
        Block("spo2", (HANDED_ON_NS - 1,), (97.0,)),
        Event("dispenser.jam", START_NS),
        Fault("short packet", "two bytes", START_NS),
    ],
)
def test_one_row_out_of_the_ordinary_takes_its_batch_the_careful_way(odd: Any) -> None:
    assert alone(rows([GOOD, odd], ["ox"])) is None
    assert alone(rows([GOOD, GOOD], ["ox"])) is not None


def test_a_device_of_nobody_and_a_time_of_receipt_that_is_none_are_not_ordinary() -> None:
    assert alone(rows([GOOD], ["found in a drawer"])) is None
    assert alone((Row(0, "ox", 2**63, GOOD),)) is None


def test_readings_keep_the_order_in_which_they_came() -> None:
    what = [Block("spo2", (START_NS - n,), (90.0 + n,)) for n in range(5)]
    sheaf = alone(rows(what, ["ox"]))
    assert sheaf is not None
    assert [one.value for one in sheaf.readings() if isinstance(one, Reading)] == [90, 91, 92, 93, 94]
