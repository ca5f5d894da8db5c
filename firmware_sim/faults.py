"""The path between a device and the gateway, as unkind as configured, and equally so in every run with the same seed.

On a serial line bits flip, bytes vanish and frames come twice. On the air an indication is late, comes twice, or the
connection drops before or after its confirmation. What a fault spoils is the path: the device keeps what was not
confirmed, and that nothing is lost in the end is what the faults are there to show.
"""

from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta

Chance = Annotated[float, Meta(ge=0, le=1)]


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How unkind. The default is a perfect path.

    `flips_per_kb` and `losses_per_kb`: damaged bits and lost bytes in a thousand bytes of a serial line, both ways.
    `duplicate`, `drop`: the chance for each frame or indication to be sent twice, or (on the air) to end the
    connection. `delay_s`: up to so many seconds of the wall before each. `hangs_up`: the device ends the connection
    itself when it has told all it had, as some scales and cuffs do. `malformed`: the chance for an indication to come
    damaged first, cut short or with bytes too many; the device learns nothing from its confirmation and sends the right
    one after it.
    """

    flips_per_kb: Annotated[float, Meta(ge=0, le=1000)] = 0
    losses_per_kb: Annotated[float, Meta(ge=0, le=1000)] = 0
    duplicate: Chance = 0
    drop: Chance = 0
    delay_s: Annotated[float, Meta(ge=0, le=60)] = 0
    hangs_up: bool = False
    malformed: Chance = 0


class Path:
    """One device's path; a run of the dice for each question asked."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self._dice = Random(seed)

    def carry(self, data: bytes) -> bytes:
        """What arrives of serial bytes."""
        if not (self.faults.flips_per_kb or self.faults.losses_per_kb):
            return data
        arrived = bytearray()
        for byte in data:
            if self._dice.random() < self.faults.losses_per_kb / 1000:
                continue
            flipped = self._dice.random() < self.faults.flips_per_kb / 1000
            arrived.append(byte ^ (1 << self._dice.randrange(8)) if flipped else byte)
        return bytes(arrived)

    def pause_s(self) -> float:
        """Seconds of the wall to hold the next frame or indication back."""
        return self._dice.random() * self.faults.delay_s if self.faults.delay_s else 0.0

    def twice(self) -> bool:
        """Whether the next frame or indication is sent twice."""
        return bool(self.faults.duplicate) and self._dice.random() < self.faults.duplicate

    def damaged(self, data: bytes) -> list[bytes]:
        """What comes before `data`: nothing, or something like it that is too short or too long."""
        if not self.faults.malformed or self._dice.random() >= self.faults.malformed:
            return []
        cut = self._dice.randrange(-len(data), 4)
        return [data[:cut] if cut < 0 else data + self._dice.randbytes(cut + 1)]

    def drops(self) -> bool:
        """Whether the connection drops now."""
        return bool(self.faults.drop) and self._dice.random() < self.faults.drop
