"""What the simulated devices say on serial lines and in adverts, against bytes worked out from the makers' formats.

The other half, that the gateway's drivers understand them, is `test_every_device`. Here nothing of `drivers` is used.
"""

from datetime import UTC, datetime

import pytest

from firmware_sim.devices import and_scale, bci, contec, kern, mi_scale, mt_sics, nonin_oem3, sartorius
from firmware_sim.devices._finger import OUT, Shown
from firmware_sim.devices._platform import Load
from tests.firmware_sim.bench import Bench
from vitals.clock import NS

WHEN_NS = int(datetime(2026, 11, 21, 5, 30, 10, tzinfo=UTC).timestamp()) * NS
STEADY = Shown(True, 97, 72)
FAST = Shown(True, 92, 140)
STANDS, MOVES, TOO_MUCH = Load("72.45", stable=True), Load("72.40", stable=False), Load(None, stable=False)


@pytest.mark.parametrize(
    ("shown", "bytes_"),
    [
        (STEADY, "804861"),
        (FAST, "810c5c"),  # 140 = 128 + 12: bit 7 is bit 0 of the status
        (Shown(True, 97, 300), "822c61"),  # 300 = 256 + 44
        (Shown(True, 97, 72, moved=True), "844861"),
        (Shown(True, 97, 72, weak=True), "904861"),
        (Shown(finger=True), "a37f7f"),  # 511, 127, out of track
        (OUT, "a37f7f"),
    ],
)
def test_nonin_format_8(shown: Shown, bytes_: str) -> None:
    assert nonin_oem3.packet(shown).hex() == bytes_


@pytest.mark.parametrize(
    ("number", "shown", "status", "data"),
    [
        (1, FAST, 0x81, 1),  # SYNC; bits 8 and 7 of the rate
        (2, FAST, 0x80, 12),
        (3, FAST, 0x80, 92),
        (4, FAST, 0x80, 38),  # the revision
        (12, FAST, 0x82, 0),  # the pulse: green
        (12, Shown(True, 92, 140, weak=True), 0x84, 0),
        (13, Shown(True, 92, 140, moved=True), 0xA0, 0),
        (14, FAST, 0x80, 1),
        (23, FAST, 0x80, 12),
        (1, OUT, 0x99, 3),  # sensor alarm, out of track; 511
        (2, OUT, 0x98, 0x7F),
        (3, OUT, 0x98, 0x7F),
        (3, Shown(finger=True), 0x90, 0x7F),
    ],
)
def test_nonin_frames(number: int, shown: Shown, status: int, data: int) -> None:
    assert (nonin_oem3.status(shown, number), nonin_oem3.data(shown, number)) == (status, data)


@pytest.mark.parametrize(
    ("shown", "wave", "bytes_"),
    [
        (STEADY, 40, "8728054861"),
        (FAST, 40, "8728450c5c"),  # bit 7 of the rate is bit 6 of the third byte
        (STEADY, 99, "c7630c4861"),  # the beep
        (Shown(True, 97, 72, weak=True), 40, "8228054861"),
        (Shown(finger=True), 40, "8028657f7f"),  # searching; FF and 7F
        (OUT, 40, "8000507f7f"),  # sensor error
    ],
)
def test_bci(shown: Shown, wave: int, bytes_: str) -> None:
    assert bci.packet(shown, wave).hex() == bytes_


@pytest.mark.parametrize(
    ("shown", "bytes_"),
    [
        (STEADY, "01e087a885c8e1ffff"),
        (FAST, "01e887a8858cdcffff"),  # bit 7 of the rate is bit 3 of the high bits
        (Shown(finger=True), "01ea80a885ffffffff"),  # searching: bit 7 of the wave; FF and 7F
        (OUT, "01e9808080ffffffff"),  # probe error: bit 7 of the state
    ],
)
def test_contec_46_live(shown: Shown, bytes_: str) -> None:
    assert contec.live(shown, 40).hex() == bytes_


def test_a_real_packet_of_contec_46_is_told_apart_byte_for_byte() -> None:
    """An owner's: signal 5, wave 51, bar 22, 65 a minute, 97 %, no perfusion."""
    assert contec.packed(contec.Tell.LIVE, 5, 51, 22, 65, 97, 0xFF, 0xFF).hex() == "01e085b396c1e1ffff"
    assert list(contec.unpacked(bytes.fromhex("01e085b396c1e1ffff"))) == [5, 51, 22, 65, 97, 0xFF, 0xFF]


def test_a_recording_of_the_old_contec() -> None:
    recording = contec.Recording(WHEN_NS, ((0, 0), (97, 65), (92, 130)))
    assert b"".join(contec.stored(recording)).hex() == "f28000" * 3 + "808008" + "f08000" + "f0c161" + "f1825c"


def test_a_recording_of_contec_46() -> None:
    device = Bench("cms50dplus-46").firmware
    device.on = True
    device.recording = contec.Recording(WHEN_NS, ((0, 0), (97, 65), (92, 140), (96, 66)))
    ask = "7d81{}808080808080"
    assert b"".join(device.receive(bytes.fromhex(ask.format("a4")), 0)).hex() == "0880808088808080"
    assert b"".join(device.receive(bytes.fromhex(ask.format("a5")), 0)).hex() == "07808080949a8b95" + "12808080859e8a80"
    assert b"".join(device.receive(bytes.fromhex(ask.format("a6")), 0)).hex() == ""
    assert next(device.tick(0, None)).hex() == "0fa08080e1c1dc8c" + "0f80e0c280808080"
    assert b"".join(device.receive(bytes.fromhex(ask.format("99")), 0)).hex() == "0b819985"  # 5: not supported


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (mt_sics.line(STANDS, "kg"), b"S S      72.45 kg\r\n"),
        (mt_sics.line(MOVES, "kg"), b"S D      72.40 kg\r\n"),
        (mt_sics.line(Load("159.7", stable=True), "lb"), b"S S      159.7 lb\r\n"),
        (mt_sics.line(TOO_MUCH, "kg"), b"S +\r\n"),
        (and_scale.line(STANDS, "kg"), b"ST,+00072.45  kg\r\n"),
        (and_scale.line(MOVES, "kg"), b"US,+00072.40  kg\r\n"),
        (and_scale.line(STANDS, "kg", indicator=True), b"ST,GS,+00072.45  kg\r\n"),
        (and_scale.line(Load("72450", stable=True), "g"), b"ST,+00072450   g\r\n"),
        (and_scale.line(TOO_MUCH, "kg"), b"OL,+9999999E+19\r\n"),
        (sartorius.line(STANDS, "kg"), b"+    72.45 kg \r\n"),
        (sartorius.line(MOVES, "kg"), b"+    72.40    \r\n"),
        (sartorius.line(STANDS, "kg", named=True), b"N     +    72.45 kg \r\n"),
        (sartorius.line(TOO_MUCH, "kg"), b"      H       \r\n"),
        (sartorius.line(TOO_MUCH, "kg", named=True), b"Stat       High     \r\n"),
        (kern.line(STANDS, "kg"), b"       72.45 kg \r\n"),
        (kern.line(MOVES, "kg"), b"       72.40    \r\n"),
        (kern.line(TOO_MUCH, "kg"), b"      Error     \r\n"),
    ],
)
def test_lines_of_scales(said: bytes, expected: bytes) -> None:
    assert said == expected


def test_columns_are_as_wide_whatever_is_on_the_scale() -> None:
    for line in (mt_sics.line, and_scale.line, sartorius.line, kern.line):
        assert len({len(line(load, "kg")) for load in (STANDS, MOVES, Load("0.00", stable=True))}) == 1, line


def test_mi_scales() -> None:
    date = "ea070b15051e0a"
    assert mi_scale.weighing(0x22, 17310, WHEN_NS).hex() == "22" + "9e43" + date  # 86.55 kg in counts of 5 g
    told = mi_scale.composition(0x02, 17310, WHEN_NS, 480, stable=True, removed=False)
    assert told.hex() == "02" + "26" + date + "e001" + "9e43"
    told = mi_scale.composition(0x03, 19080, WHEN_NS, None, stable=True, removed=True)
    assert told.hex() == "03" + "a4" + date + "ffff" + "884a"
