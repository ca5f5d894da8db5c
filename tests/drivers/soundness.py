"""What any driver may give, whatever it was fed: the promises of `drivers/contract.py`, as one assertion."""

import math

from drivers.contract import Bookmark, Card, Out, Tx
from vitals.block import STATUS, Block
from vitals.channels import CHANNELS
from vitals.events import FAULTS, Event, Fault

INT64 = range(-(2**63), 2**63)


def sound(card: Card, out: Out) -> None:
    """Never a number that is none, never an implausible one, and nothing the card does not announce."""
    match out:
        case Block():
            assert out.channel in card.channels
            assert len(out.t_ns) == len(out.value) > 0
            assert all(map(math.isfinite, out.value))
            assert all(map(CHANNELS[out.channel].plausible, out.value))
            assert all(word in STATUS or is_user(word) for word in out.status)
            assert all(t_ns in INT64 for t_ns in out.t_ns)
            assert out.device_t_ns is None or out.device_t_ns in INT64
        case Event():
            assert out.kind in card.events or ".type_" in out.kind
            assert out.t_ns in INT64
        case Fault():
            assert out.code in FAULTS
            assert out.text
            assert out.channel in (*card.channels, "")
        case Tx():
            assert out.pipe
            assert out.data
        case Bookmark():
            assert out.text


def is_user(word: str) -> bool:
    return word.startswith("user_") and word.removeprefix("user_").isdecimal()
