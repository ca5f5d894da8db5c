"""Packets of one size are found again after any damage, the same ones however the stream was cut."""

import re

from hypothesis import given
from hypothesis import strategies as st

from drivers._packets import LONGEST, Lost, Packets

PACKET = re.compile(rb"[\x80-\xff][\x00-\x7f]{4}")
GOOD = st.builds(lambda head, rest: bytes((head, *rest)), st.integers(128, 255), st.tuples(*[st.integers(0, 127)] * 4))
STREAM = st.lists(st.one_of(GOOD, st.binary(max_size=7)), max_size=12)


def found(pieces: list[bytes]) -> list[bytes | Lost]:
    packets = Packets(5, PACKET.match)
    return [one for piece in pieces for one in packets.feed(piece)]


@given(STREAM, st.data())
def test_it_does_not_matter_where_a_stream_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    whole = found([stream])
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    assert found([stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]) == whole
    assert found([bytes((byte,)) for byte in stream]) == whole


@given(STREAM)
def test_every_byte_is_in_a_packet_or_lost_or_may_yet_become_a_packet(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    told = b"".join(one.data if isinstance(one, Lost) else one for one in found([stream]))
    assert stream.startswith(told)
    ended = stream + bytes(5) + b"\x80\0\0\0\0"
    assert b"".join(one.data if isinstance(one, Lost) else one for one in found([ended])) == ended


@given(st.lists(GOOD, min_size=3, max_size=8), st.data())
def test_a_lost_byte_costs_one_packet(sent: list[bytes], data: st.DataObject) -> None:
    hurt = data.draw(st.integers(0, len(sent) - 2))
    at = data.draw(st.integers(0, 4))
    damaged = [*sent[:hurt], sent[hurt][:at] + sent[hurt][at + 1 :], *sent[hurt + 1 :]]
    got = found([b"".join(damaged)])
    assert [one for one in got if not isinstance(one, Lost)] == sent[:hurt] + sent[hurt + 1 :]
    assert [len(one.data) for one in got if isinstance(one, Lost)] == [4]


def test_a_line_on_which_nothing_is_good_is_told_now_and_then_and_not_kept() -> None:
    got = found([bytes(7)] * 100)
    assert got == [Lost(bytes(LONGEST))] * 2
    (lost, packet) = found([bytes(LONGEST), b"\x80\0\0\0\0"])
    assert (lost, packet) == (Lost(bytes(LONGEST)), b"\x80\0\0\0\0")
