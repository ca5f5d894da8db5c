"""A scale of Sartorius on a serial line, that prints by itself in the SBI format.

    +   72.450 kg     sign, blank, eight for the number, blank, three for the unit; 16 with the end of the line
    +   72.400        moving: no unit
          H           overload

`named`: lines begin with six characters that name what follows, N for the net load and Stat for a state; 22 in all.
`ESC P` has one line printed.
"""

from collections.abc import Iterator

from firmware_sim.devices._platform import LineOptions, LineScale, Load
from firmware_sim.kinds import Kind, Making

PRINT = b"\x1bP"


class Options(LineOptions, frozen=True, forbid_unknown_fields=True):
    """`named`: lines of 22 characters."""

    named: bool = False


class Sartorius(LineScale):
    """The firmware."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.talks = True
        self._named = isinstance(making.options, Options) and making.options.named

    def _asked(self, request: bytes, load: Load) -> Iterator[bytes]:
        if request == PRINT:
            yield self._line(load)

    def _line(self, load: Load) -> bytes:
        return line(load, self.unit, named=self._named)


def line(load: Load, unit: str, *, named: bool = False) -> bytes:
    """A load in the SBI format."""
    if load.digits is None:
        name, body = "Stat", f"{'High' if named else 'H':^14}"
    else:
        name, body = "N", f"+ {load.digits:>8} {unit if load.stable else '':<3}"
    return f"{f'{name:<6}' if named else ''}{body}\r\n".encode("ascii")


KINDS = (
    Kind(
        "sartorius-sbi", "Sartorius scale that prints SBI, on a serial line", "sartorius-sbi", "serial", "scale",
        Sartorius, Options,
    ),
)  # fmt: skip
