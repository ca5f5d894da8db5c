"""What the oximeters that never stop talking have in common: one reading a second out of a hundred packets.

An oximeter repeats its averages with every sample of its waveform, 60 to 100 times a second. They change slowly, so the
first good number in each second of the gateway's clock is the reading of that second, for each channel by itself. It
is given when it arrives: waiting for the newest of the second would make each reading a second late, and lose the last.

That there is no number (no finger, still searching, an impossible value) is told once, when it begins, and again only
after the next reading: an oximeter left on a table would otherwise fill the disk with faults.

The waveform is left out: there is no channel for it in `vitals.channels`.
"""

from collections.abc import Iterator

from drivers._packets import Lost
from drivers._reading import Missing, Number, Stamp, reading
from drivers.contract import Rx
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Fault

CHANNELS = ("spo2", "pulse_rate")
NEVER = -1


class EachSecond:
    """Chooses the readings of one connection. Not `thin`: the device sends one a second, and each is a reading."""

    def __init__(self, *, thin: bool = True) -> None:
        self._thin = thin
        self._second = dict.fromkeys(CHANNELS, NEVER)
        self._absent: set[str] = set()

    def done(self, t_ns: int) -> bool:
        """Whether this second has its readings, so that its other packets need not be looked into."""
        second = t_ns // NS
        return self._thin and all(done == second for done in self._second.values())

    def take(
        self, rx: Rx, spo2: Number | Missing, pulse_rate: Number | Missing, status: tuple[str, ...] = ()
    ) -> Iterator[Block | Fault]:
        """What is to be told of one packet (`rx.data`), in % and beats a minute."""
        second = rx.t_ns // NS
        for channel, number in zip(CHANNELS, (spo2, pulse_rate), strict=True):
            if self._thin and self._second[channel] == second:
                continue
            if channel in self._absent and isinstance(number, Missing):
                continue
            told = reading(channel, number, rx, Stamp(rx.t_ns, status=status))
            if isinstance(told, Block):
                self._second[channel] = second
                self._absent.discard(channel)
                yield told
            elif channel not in self._absent:
                self._absent.add(channel)
                yield told


def lost(rx: Rx, what: Lost) -> Fault:
    """The fault of bytes that are no packet."""
    return Fault("short packet", what.text, rx.t_ns, rx.pipe, what.data)
