"""The check value that captures alone cannot hold: they were made with one calculation, the driver has another."""

import random

from hypothesis import given
from hypothesis import strategies as st

from drivers._crc16_reflected import crc16_reflected
from drivers.cgm_181f import ContinuousGlucoseMonitor
from drivers.contract import Rx
from vitals.block import Block


def test_the_published_check_value() -> None:
    assert crc16_reflected(b"123456789") == 0x6F91


@given(st.binary(max_size=20))
def test_data_with_its_own_check_value_leaves_nothing(data: bytes) -> None:
    assert crc16_reflected(data + crc16_reflected(data).to_bytes(2, "little")) == 0


def test_a_damaged_record_with_a_check_value_is_never_a_reading() -> None:
    whole = bytes.fromhex("08006c003c00fa38")
    (good,) = ContinuousGlucoseMonitor().feed(Rx("2aa7", whole, 0))
    assert isinstance(good, Block)
    chance = random.Random(1)
    for _ in range(500):
        # A burst of up to 16 bits behind size and flags, which the CRC finds without exception.
        at = chance.randrange(2, len(whole) - 1)
        burst = chance.randrange(1, 0x10000).to_bytes(2, "little")
        hurt = bytearray(whole)
        hurt[at] ^= burst[0]
        hurt[at + 1] ^= burst[1]
        outs = list(ContinuousGlucoseMonitor().feed(Rx("2aa7", bytes(hurt), 0)))
        assert not any(isinstance(out, Block) for out in outs), hurt.hex(" ")
