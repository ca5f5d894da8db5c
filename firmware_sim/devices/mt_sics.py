"""Scales that speak MT-SICS level 0 on a serial line: those of Mettler Toledo, and of Kern with its KCP.

    SI      the load now              S S      72.45 kg   stable
    S       the load when stable      S D      72.40 kg   moving
    SIR     now and again and again   S +                 overload
    @       begin anew                I4 A "serial"       so it says when it is switched on, too
    else                              ES                  not understood

The number has ten characters, right-aligned. Both protocols share all of this; they differ only beyond it.
"""

from collections.abc import Iterator

from firmware_sim.devices._platform import LineOptions, LineScale, Load
from firmware_sim.kinds import Kind, Making


class MtSics(LineScale):
    """The firmware."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._serial = making.serial
        self._woke = True

    def unasked(self) -> Iterator[bytes]:
        if self._woke:
            self._woke = False
            yield self._name()

    def _asked(self, request: bytes, load: Load) -> Iterator[bytes]:
        match request:
            case b"SI":
                self.talks = False
                yield self._line(load)
            case b"SIR":
                self.talks = True
                yield self._line(load)
            case b"S":
                self.talks = False
                yield self._line(load) if load.stable else b"S I\r\n"
            case b"@":
                self.talks = False
                yield self._name()
            case _:
                yield b"ES\r\n"

    def _name(self) -> bytes:
        return f'I4 A "{self._serial}"\r\n'.encode("ascii")

    def _line(self, load: Load) -> bytes:
        return line(load, self.unit)


def line(load: Load, unit: str) -> bytes:
    """A load as MT-SICS says it."""
    if load.digits is None:
        return b"S +\r\n"
    return f"S {'S' if load.stable else 'D'} {load.digits:>10} {unit}\r\n".encode("ascii")


KINDS = (
    Kind("mt-sics", "Mettler Toledo scale, on a serial line", "mt-sics", "serial", "scale", MtSics, LineOptions),
    Kind("kern-kcp", "Kern scale with KCP, on a serial line", "kern-kcp", "serial", "scale", MtSics, LineOptions),
)
