"""Frames: every packet comes back, and damage spoils the frame it hit and no third one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers._cobs import LONGEST, Damage, Frames, crc16, frame, stuff, unstuff

PAYLOADS = st.binary(min_size=2, max_size=120)


def by_the_book(data: bytes) -> bytes:
    """COBS as its paper has it: one code byte for each block, worked out byte by byte."""
    out, block = bytearray(), bytearray()
    for byte in data:
        if byte:
            block.append(byte)
        else:
            out += bytes((len(block) + 1,)) + block
            block.clear()
    return bytes(out + bytes((len(block) + 1,)) + block)


def crc_bit_by_bit(data: bytes) -> int:
    """CRC-16/CCITT-FALSE from its definition."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def test_the_vectors_of_the_protocol() -> None:
    assert crc16(b"123456789") == 0x29B1
    assert crc16(bytes.fromhex("010001")) == 0xEB8D
    assert frame(bytes.fromhex("010001")).hex(" ") == "02 01 04 01 8d eb 00"
    event = bytes.fromhex("82002c00000004030201804f016b40e2010005030700 02013c00")
    assert crc16(event) == 0xC002
    sent = bytes.fromhex("0282022c01010c04030201804f016b40e2010405030704 02013c0302c000")
    assert frame(event) == sent
    assert list(Frames().feed(sent)) == [event]


@given(st.binary(max_size=600))
def test_stuffing_leaves_no_zero_and_comes_back(data: bytes) -> None:
    stuffed = stuff(data)
    assert 0 not in stuffed
    assert unstuff(stuffed) == data


@given(st.binary(max_size=253))
def test_stuffing_is_that_of_the_paper(data: bytes) -> None:
    assert stuff(data) == by_the_book(data)


@given(st.binary(max_size=40))
def test_unstuffing_takes_only_what_stuffing_makes(frame: bytes) -> None:
    data = unstuff(frame)
    if data is not None and frame:
        assert 0 not in frame
        assert stuff(data) == frame


@given(st.binary(max_size=200))
def test_the_crc_is_that_of_its_definition(data: bytes) -> None:
    assert crc16(data) == crc_bit_by_bit(data)


@given(st.lists(PAYLOADS, max_size=8), st.lists(st.integers(0, 1000), max_size=8))
def test_frames_cut_anywhere_come_back(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, payloads))
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames = Frames()
    got = [found for a, b in pairwise(at) for found in frames.feed(stream[a:b])]
    assert got == payloads


@given(st.lists(PAYLOADS, min_size=4, max_size=4, unique=True), st.data())
def test_a_damaged_frame_harms_no_other(payloads: list[bytes], data: st.DataObject) -> None:
    """Bytes of the second frame are changed, left out or added; the others come whole. Its 00 may be hit as well, and
    then the third is drawn in, but never the fourth."""
    before, hurt, between, after = map(frame, payloads)
    at = data.draw(st.integers(0, len(hurt) - 1))
    gone = data.draw(st.integers(0, 3))
    instead = data.draw(st.binary(max_size=3))
    damaged = hurt[:at] + instead + hurt[at + gone :]
    got = [found for found in Frames().feed(before + damaged + between + after) if isinstance(found, bytes)]
    assert got[0] == payloads[0]
    assert got[-1] == payloads[3]
    if damaged.endswith(b"\0"):
        assert got[-2] == payloads[2]


def test_noise_without_an_end_is_not_kept() -> None:
    frames = Frames()
    for _ in range(1000):
        assert list(frames.feed(b"\x55" * 100)) == []
    (found,) = frames.feed(b"\0")
    assert isinstance(found, Damage)
    assert (found.code, len(found.data)) == ("long packet", LONGEST)
    assert list(frames.feed(frame(b"ok"))) == [b"ok"]
