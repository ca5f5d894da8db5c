"""An older scale of Kern on a serial line, without KCP, set to send its load again and again.

    1      a blank, or M where what is shown was kept in memory
    2      a blank, or -
    3-12   the number, right-aligned
    13     a blank
    14-16  the unit while the load is stable, else blanks

An overload stands as `Error`. `w` asks for the load now, `s` for the load once it is stable; neither has an end.
"""

from collections.abc import Iterator

from firmware_sim.devices._platform import LineOptions, LineScale, Load
from firmware_sim.kinds import Kind, Making


class Kern(LineScale):
    """The firmware."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.talks = True

    def receive(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        load = self.load(t_ns)
        for letter in data:
            if not self._silent and (letter == ord("w") or (letter == ord("s") and load.stable)):
                yield self._line(load)

    def _line(self, load: Load) -> bytes:
        return line(load, self.unit)


def line(load: Load, unit: str) -> bytes:
    """A load in Kern's columns."""
    if load.digits is None:
        return f"{'Error':>11}     \r\n".encode("ascii")
    return f"  {load.digits:>10} {unit if load.stable else '':<3}\r\n".encode("ascii")


KINDS = (Kind("kern", "Kern scale without KCP, on a serial line", "kern", "serial", "scale", Kern, LineOptions),)
