"""A scale of A&D on a serial line, with the maker's standard format.

    Q, SI   the load now               ST,+00072.45  kg     stable
    S       the load when stable       US,+00072.40  kg     moving
    SIR     now and again and again    OL,+9999999E+19      overload
    C       no more
    else                               EC,E01               not understood

The number has nine characters with its sign and leading zeros. `indicator`: a line says after its first word that the
load is the gross one, as an indicator of A&D does.
"""

from collections.abc import Iterator

from firmware_sim.device import TruthAt
from firmware_sim.devices._platform import LineOptions, LineScale, Load
from firmware_sim.kinds import Kind, Making


class Options(LineOptions, frozen=True, forbid_unknown_fields=True):
    """`indicator`: lines name the kind of load."""

    indicator: bool = False


class AndScale(LineScale):
    """The firmware."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._indicator = isinstance(making.options, Options) and making.options.indicator
        self._waits = False

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        load = self.load(t_ns)
        if self._waits and load.stable and not self._silent:
            self._waits = False
            yield self._line(load)
        yield from super().tick(t_ns, truth_at)

    def _asked(self, request: bytes, load: Load) -> Iterator[bytes]:
        match request:
            case b"Q" | b"SI":
                yield self._line(load)
            case b"S" if load.stable:
                yield self._line(load)
            case b"S":
                self._waits = True
            case b"SIR":
                self.talks = True
                yield self._line(load)
            case b"C":
                self.talks = self._waits = False
            case _:
                yield b"EC,E01\r\n"

    def _line(self, load: Load) -> bytes:
        return line(load, self.unit, indicator=self._indicator)


def line(load: Load, unit: str, *, indicator: bool = False) -> bytes:
    """A load in the standard format."""
    kind = "GS," if indicator else ""
    if load.digits is None:
        return f"OL,{kind}+9999999E+19\r\n".encode("ascii")
    return f"{'ST' if load.stable else 'US'},{kind}+{load.digits:0>8} {unit:>3}\r\n".encode("ascii")


KINDS = (Kind("and-scale", "A&D scale, on a serial line", "and-scale", "serial", "scale", AndScale, Options),)
