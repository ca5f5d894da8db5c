"""A Viatom (Wellue) O2Ring of the first generation: it tells what it shows when it is asked, and never by itself.

    to the ring     AA  command  ~command  block u16  length u16  data  CRC-8
    from the ring   55  result   ~result   block u16  length u16  data  CRC-8

Low byte first; CRC-8 with the polynomial 07 over all before it. Command 17 asks for the live values, 13 bytes: SpO2,
pulse rate (u16), steps (u32), battery (%), charging, motion, perfusion (0.1 %), worn, and one that is not known. An
answer goes out in notifications of 20 bytes. Another command is answered with the result 1 and no data, which is a
guess; what is no command at all, or damaged, is not answered.

Source: a public description of the protocol (MackeyStingray/o2r).
"""

from firmware_sim.body import Truth
from firmware_sim.device import Can, Pipe
from firmware_sim.devices._worn import WornDevice
from firmware_sim.kinds import Kind
from firmware_sim.noise import swing

SERVICE = "14839ac4-7d7e-415c-9a42-167340cf2339"
COMMAND = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
ANSWER = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"

ASK, REPLY = 0xAA, 0x55
LIVE_VALUES = 0x17
DONE, FAILED = 0, 1
MOST = 20
_HEADER = 7


class O2Ring(WornDevice):
    """The firmware."""

    name = "O2Ring 4321"
    model = "O2Ring"
    advertised = (SERVICE,)
    pipes = (
        Pipe(SERVICE, COMMAND, Can.WRITE),
        Pipe(SERVICE, ANSWER, Can.NOTIFY),
    )

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        if pipe != COMMAND:
            super().write(pipe, data, t_ns)
        elif (command := understood(data)) is not None:
            live = command == LIVE_VALUES
            whole = answer(DONE, self._live_values(t_ns)) if live else answer(FAILED, b"")
            for at in range(0, len(whole), MOST):
                self._say(ANSWER, whole[at : at + MOST])

    def _live_values(self, t_ns: int) -> bytes:
        spo2, pulse_rate, perfusion_index = self.shown or (0, 0, 0.0)
        return live_values(spo2, pulse_rate, self._battery.level(t_ns), perfusion_index, worn=self.worn)

    def _sense(self, t_ns: int, truth: Truth) -> tuple[tuple[int, int, float], dict[str, int | float | str]]:
        spo2 = min(100, round(truth.spo2 + 0.6 * swing(self._seed, "spo2", t_ns)))
        pulse_rate = round(truth.pulse_rate + 1.5 * swing(self._seed, "pulse_rate", t_ns))
        perfusion_index = round(truth.perfusion_index, 1)
        shown = (spo2, pulse_rate, perfusion_index)
        return shown, {"spo2": spo2, "pulse_rate": pulse_rate, "perfusion_index": perfusion_index}


def understood(data: bytes) -> int | None:
    """The command in a whole, undamaged request; None for anything else."""
    whole = len(data) > _HEADER and len(data) == _HEADER + int.from_bytes(data[5:7], "little") + 1
    good = whole and data[0] == ASK and data[1] ^ data[2] == 0xFF and crc8(data[:-1]) == data[-1]
    return data[1] if good else None


def answer(result: int, data: bytes) -> bytes:
    """An answer, whole."""
    head = bytes((REPLY, result, result ^ 0xFF, 0, 0)) + len(data).to_bytes(2, "little")
    return head + data + bytes((crc8(head + data),))


def live_values(spo2: int, pulse_rate: int, percent: int, perfusion_index: float, *, worn: bool) -> bytes:
    """The data of the answer to 17; SpO2 and battery in %, perfusion in %."""
    steps, charging, motion, unknown = bytes(4), 0, 0, 0
    return (
        bytes((spo2,))
        + pulse_rate.to_bytes(2, "little")
        + steps
        + bytes((percent, charging, motion, min(0xFF, round(perfusion_index * 10)), int(worn), unknown))
    )


def crc8(data: bytes) -> int:
    """CRC-8, polynomial 07, start 0, highest bit first; `123456789` gives F4."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc


KINDS = (Kind("viatom-o2ring", "Viatom O2Ring, first generation", "viatom-o2ring", "air", "worn", O2Ring),)
