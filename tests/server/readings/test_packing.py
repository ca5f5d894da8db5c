"""Parts become bytes and columns again, however many at once and whatever is in them."""

import zlib

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from server.readings.model import Reading
from server.readings.packing import packed, seen_in, unpacked
from server.readings.sheaf import Sheaf, join, sheaf

_readings = st.lists(
    st.builds(
        Reading,
        patient_id=st.just("eva"),
        channel=st.sampled_from(("pulse_rate", "spo2")),
        t_ns=st.integers(-(2**62), 2**62),
        identity=st.binary(min_size=16, max_size=16),
        value=st.floats(allow_nan=False),
        decimals=st.integers(-3, 6),
        status=st.sampled_from(((), ("motion",), ("stored", "motion"))),
        device=st.sampled_from(("ox-1", "ox-2")),
        record=st.sampled_from((None, "r-1")),
        device_t_ns=st.none() | st.integers(-(2**62), 2**62),
        received_ns=st.integers(0, 2**62),
        shift_ns=st.sampled_from((0, 0, 5)),
    ),
    min_size=1,
    max_size=8,
)


def _part(number: int, readings: list[Reading]) -> Sheaf:
    mine = sorted(readings, key=lambda one: (one.channel, one.t_ns, one.value))
    return sheaf([msgspec.structs.replace(one, patient_id=f"p{number}") for one in mine], 77)


@given(st.lists(_readings, min_size=1, max_size=5))
@settings(max_examples=50)
def test_all_that_was_said_comes_back_of_several_parts_at_once(given_parts: list[list[Reading]]) -> None:
    parts = [_part(number, readings) for number, readings in enumerate(given_parts)]
    starts = np.cumsum([0, *(len(one) for one in parts[:-1])]).tolist()
    found = packed(join(parts), starts)
    back = unpacked([(f"p{n}", one.seen, one.identities, one.rest) for n, one in enumerate(found)], {}, {})
    assert back.readings() == [reading for part in parts for reading in part.readings()]
    assert back.rows["stored_ns"].tolist() == [77] * len(back)
    for part, one in zip(parts, found, strict=True):
        alone = unpacked([("p", one.seen, one.identities, one.rest)], {}, {})
        assert alone.rows["t_ns"].tolist() == part.rows["t_ns"].tolist()
        t_ns = part.rows["t_ns"].tolist()
        assert (one.from_ns, one.to_ns, one.count) == (min(t_ns), max(t_ns), len(t_ns))
        see = seen_in(one.seen)
        assert see.stops[-1] == len(t_ns)
        assert see.channels == sorted({reading.channel for reading in part.readings()})


def test_what_is_small_and_what_is_large_is_unpacked_by_anybodys_zlib() -> None:
    for count in (1, 5_000):
        many = sheaf([_reading(number) for number in range(count)], 1)
        one = packed(many, [0])[0]
        assert zlib.decompress(one.rest)
        assert unpacked([("eva", one.seen, one.identities, one.rest)], {}, {}).readings() == many.readings()


def _reading(number: int) -> Reading:
    return Reading("eva", "spo2", number, number.to_bytes(16, "big"), 97.0, 0, (), "ox-1", None, None, 0)
