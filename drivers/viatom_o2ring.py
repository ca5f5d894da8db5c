"""Viatom (Wellue) O2Ring and its kin of the first generation: what the ring's display shows, asked for once a visit.

    to the ring     AA  command  ~command  block u16  length u16  data  CRC-8
    from the ring   55  result   ~result   block u16  length u16  data  CRC-8

Low byte first; the CRC has the polynomial 07 and covers all before it; a result of 0 is success. An answer may come in
several notifications. One that begins like an answer is the beginning of one, whatever was unfinished before it.

Command 17 asks for the live values:

    SpO2 u8 | pulse rate u16 | steps u32 | battery % u8 | charging u8 | motion u8 | perfusion 0.1 % u8 | worn u8 | …

A ring has no way to tell values unasked, and nothing here can wait. So each visit asks once, is answered and ends when
the ring is quiet; a worn ring goes on advertising, so the next visit follows. A ring that is not worn tells its battery
and nothing else, and that is no trouble.

*The successor* (O2Ring-S, O2 Pro) has a service of its own, with keys and frames that begin with A5. It may show the
old one as well and never answers there. It is refused with a fault, and not read.

Source: public descriptions of the protocol (MackeyStingray/o2r; of the successor, nglessner/o2ring-s-protocol).
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._gatt import Misfit, Reader, dispatch
from drivers._reading import Missing, Number, Stamp, reading
from drivers.contract import Card, Link, Out, Rx, Tx
from vitals.events import Fault

COMMAND = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
ANSWER = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
SUCCESSOR = "e8fb0003-a14b-98f9-831b-4e2941d01248"

LIVE_VALUES = 0x17
ASK, REPLY, SUCCESSOR_FRAME = 0xAA, 0x55, 0xA5
HEADER, LONGEST = 7, 1024
NO_PULSE = (0, 0xFFFF)


class O2Ring:
    """Reads one ring for one connection."""

    card: ClassVar[Card] = Card(
        name="viatom-o2ring",
        maker="Viatom (Wellue)",
        model="O2Ring of the first generation",
        link=Link.BLE,
        channels=("spo2", "pulse_rate", "perfusion_index", "battery"),
        services=("14839ac4-7d7e-415c-9a42-167340cf2339",),
        local_names=("O2Ring", "O2M", "CheckO2", "Checkme", "SleepO2", "SleepU"),
        notify=(ANSWER, SUCCESSOR),
        write=(COMMAND,),
        source="MackeyStingray/o2r and nglessner/o2ring-s-protocol, as descriptions of the protocols",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._open = b""
        self._handlers = {ANSWER: self._piece, SUCCESSOR: self._successor}

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask for the live values."""
        return [Tx(COMMAND, request(LIVE_VALUES))]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one notification means, with those before it."""
        return dispatch(self._handlers, rx)

    def _piece(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        if rx.data[:1] == bytes((SUCCESSOR_FRAME,)):
            yield from self._successor(rx, packet)
            return
        if self._open and _begins(rx.data):
            unfinished, self._open = self._open, b""
            text = f"{len(unfinished)} bytes of an answer of {_size(unfinished)}; the rest never came"
            yield Fault("short packet", text, rx.t_ns, rx.pipe, unfinished)
        whole, self._open = self._open + rx.data, b""
        if not _begins(whole) or _size(whole) > LONGEST:
            raise Misfit("unknown packet", "not the beginning of an answer")
        if len(whole) < _size(whole):
            self._open = whole
            return
        yield from _live_values(Rx(rx.pipe, whole, rx.t_ns), _opened(whole))

    def _successor(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        text = "this is an O2Ring-S or an O2 Pro, whose protocol has keys and is not spoken here: use a first O2Ring"
        yield Fault("refused", text, rx.t_ns, rx.pipe, rx.data)


def request(command: int) -> bytes:
    """A command without data, as it goes to the ring."""
    head = bytes((ASK, command, command ^ 0xFF, 0, 0, 0, 0))
    return head + bytes((crc8(head),))


def crc8(data: bytes) -> int:
    """CRC-8: polynomial 07, start 0, not reflected; `123456789` gives F4."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc


def _begins(data: bytes) -> bool:
    """Whether these bytes are the beginning of an answer; there are never fewer than its header."""
    return len(data) >= HEADER and data[0] == REPLY and data[1] ^ data[2] == 0xFF


def _size(whole: bytes) -> int:
    """How long the answer is that begins so."""
    return HEADER + int.from_bytes(whole[5:HEADER], "little") + 1


def _opened(whole: bytes) -> bytes:
    """The data of a whole answer; raises Misfit when it is none, or not a success."""
    if len(whole) > _size(whole):
        raise Misfit("long packet", f"{len(whole)} bytes of an answer of {_size(whole)}")
    if crc8(whole[:-1]) != whole[-1]:
        raise Misfit("bad checksum", f"the CRC says {whole[-1]:02x}, the bytes {crc8(whole[:-1]):02x}")
    if whole[1] != 0:
        raise Misfit("refused", f"the ring answers {whole[1]} where 0 is success; the next visit asks again")
    return whole[HEADER:-1]


def _live_values(rx: Rx, data: bytes) -> Iterator[Out]:
    packet = Reader(data)
    spo2, pulse_rate, _steps = packet.u8(), packet.u16(), packet.u32()
    battery, _charging, _motion = packet.u8(), packet.u8(), packet.u8()
    perfusion, worn = packet.u8(), packet.u8()
    stamp = Stamp(rx.t_ns)
    yield reading("battery", Number(float(battery)), rx, stamp)
    if worn:
        yield reading("spo2", _number(spo2, (0, 0xFF)), rx, stamp)
        yield reading("pulse_rate", _number(pulse_rate, NO_PULSE), rx, stamp)
        yield reading("perfusion_index", _perfusion(perfusion), rx, stamp)


def _number(raw: int, none: tuple[int, ...]) -> Number | Missing:
    return Missing(f"{raw}: no measurement") if raw in none else Number(float(raw))


def _perfusion(tenths: int) -> Number | Missing:
    return Number(tenths / 10, 1) if tenths else Missing("0: no measurement")
