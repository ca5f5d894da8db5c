"""An answer of the ring may come in pieces: over a short ATT_MTU it takes two notifications, cut after 20 bytes."""

from itertools import combinations

import pytest

from drivers.contract import Out, Rx
from drivers.viatom_o2ring import ANSWER, LONGEST, O2Ring, crc8, request
from vitals.block import Block
from vitals.events import Fault

LIVE = bytes.fromhex("5500ff00000d0062420000000000610092" + "0a01002f")
HEADER = 7


def fed(*pieces: bytes) -> list[Out]:
    ring = O2Ring()
    return [out for piece in pieces for out in ring.feed(Rx(ANSWER, piece, 0))]


@pytest.mark.parametrize(("first", "second"), list(combinations(range(HEADER, len(LIVE) + 1), 2)))
def test_an_answer_in_pieces_means_what_it_means_whole(first: int, second: int) -> None:
    pieces = [piece for piece in (LIVE[:first], LIVE[first:second], LIVE[second:]) if piece]
    assert fed(*pieces) == fed(LIVE)
    assert [out.channel for out in fed(LIVE) if isinstance(out, Block)] == [
        "battery",
        "spo2",
        "pulse_rate",
        "perfusion_index",
    ]


def test_the_next_answer_is_read_after_one_that_was_cut_off_or_damaged() -> None:
    for lost in (LIVE[:20], LIVE[:-1], LIVE[:7] + b"\0" + LIVE[8:], LIVE + b"\0", LIVE[1:]):
        told = fed(lost, LIVE)
        assert sum(isinstance(out, Fault) for out in told) == 1
        assert told[-4:] == fed(LIVE)


def test_an_answer_that_says_it_is_longer_than_any_is_not_waited_for() -> None:
    for size, waits in ((LONGEST - HEADER - 1, True), (LONGEST - HEADER, False)):
        head = bytes((0x55, 0, 0xFF, 0, 0)) + size.to_bytes(2, "little")
        assert bool(fed(head)) is not waits


def test_the_check_value_is_the_published_one() -> None:
    assert crc8(b"123456789") == 0xF4
    assert request(0x17) == bytes.fromhex("aa17e800000000" + "1b")
