"""A recording in an oximeter's memory: a sample of SpO2 and pulse rate each second, for hours, and no name on it.

It is fetched whole and told whole: only then is it known which it is. Nothing is deleted on the device, so it is there
again at the next visit, and what is known of it is the bookmark.

*Whose.* What is found in a device that is met for the first time may be anybody's: that of the person who had it
before, most of all. It is remembered and not told (`unknown recording`). What is new at a later visit was made since
the one before, in this home.

*Once.* A recording is known by a digest of its samples. The one known from the last visit is not told again, and of one
that begins as that did and is longer, only what was added. What is told is named by a digest of the recording and of
the one before it, for a short one may be like an earlier one to the last beat; where the device says when it began,
that is part of the name too. Only two in a row that are alike, on a device without a clock, pass for one.

*When.* A device that knows when it began, by a clock we set, is believed. Otherwise the samples are laid out so that
the last is as old as its arrival, which is the latest they can be, and are marked `clock_unset`. All are marked
`stored`. What was recorded while it was told live as well is there twice, once with these marks: nothing on the device
says that the two are the same.

Seconds without a number (0, or the value that means none) are left out.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import msgspec

from drivers.contract import Out, Rx
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.clock import NS
from vitals.events import Fault

SAMPLES_A_BLOCK = 600
NO_SPO2, NO_PULSE = (0, 0x7F), (0, 0xFF)
NOTHING = "-"

Sample = tuple[int, int]
"""SpO2 in %, pulse rate in /min, as the device sends them."""


class Known(msgspec.Struct, frozen=True):
    """The recording of the last visit: its name and how many samples it had. No name: the device was never visited;
    `NOTHING`: there was none."""

    name: str = ""
    count: int = 0

    @property
    def text(self) -> str:
        """For the bookmark."""
        return f"{self.name} {self.count}"

    def begins(self, samples: Sequence[Sample]) -> bool:
        """Whether `samples` begin with all of this one."""
        return 0 < self.count <= len(samples) and name_of(samples[: self.count]) == self.name


def known(text: str) -> Known:
    """What `Known.text` wrote; anything else is the bookmark of a device that was never visited."""
    name, _, count = text.partition(" ")
    if not (name and count.isascii() and count.isdecimal()):
        return Known()
    return Known(name, int(count[:9]))


def name_of(samples: Sequence[Sample]) -> str:
    """What a recording is known by."""
    return _digest(bytes(number for sample in samples for number in sample))


def found(samples: Sequence[Sample]) -> Known:
    """What will be known of it from now on."""
    return Known(name_of(samples), len(samples)) if samples else Known(NOTHING)


def told(
    rx: Rx, samples: Sequence[Sample], before: Known, began_ns: int | None = None, device_ns: int | None = None
) -> Iterator[Out]:
    """What of a recording that is whole with `rx` is new, given the one known `before`.

    `began_ns`: when its first sample was taken, in ns; None when that is not known. `device_ns`: what the device's own
    clock says of that.
    """
    if not before.name:
        if samples:
            text = f"a recording of {len(samples)} s was in the memory when the device was first read; it is not told"
            yield Fault("unknown recording", text, rx.t_ns, rx.pipe)
        return
    words = ("stored",) if began_ns is not None else ("clock_unset", "stored")
    start_ns = rx.t_ns - (len(samples) - 1) * NS if began_ns is None else began_ns
    name = _digest(f"{before.text} {device_ns} {name_of(samples)}".encode())
    first = before.count if before.begins(samples) else 0
    for at in range(first, len(samples), SAMPLES_A_BLOCK):
        part = samples[at : at + SAMPLES_A_BLOCK]
        part_device_ns = None if device_ns is None else device_ns + at * NS
        yield from _blocks(part, start_ns + at * NS, words, f"{name}:{at}", part_device_ns)
    yield from _impossible(rx, samples[first:])


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()


def _blocks(
    part: Sequence[Sample], start_ns: int, words: tuple[str, ...], record: str, device_ns: int | None
) -> Iterator[Out]:
    for place, (channel, none) in enumerate(_COLUMNS):
        plausible = CHANNELS[channel].plausible
        numbers = [
            (start_ns + second * NS, float(sample[place]))
            for second, sample in enumerate(part)
            if sample[place] not in none and plausible(sample[place])
        ]
        if numbers:
            t_ns, values = zip(*numbers, strict=True)
            yield Block(channel, t_ns, values, 0, words, record, device_ns)


def _impossible(rx: Rx, samples: Sequence[Sample]) -> Iterator[Out]:
    """One fault for all the numbers of a channel that no instrument could truthfully report."""
    for place, (channel, none) in enumerate(_COLUMNS):
        kind = CHANNELS[channel]
        odd = [sample[place] for sample in samples if sample[place] not in none and not kind.plausible(sample[place])]
        if odd:
            text = (
                f"{len(odd)} values of {channel} in a recording are outside {kind.low:g}–{kind.high:g}: first {odd[0]}"
            )
            yield Fault("implausible", text, rx.t_ns, rx.pipe, b"", channel)


_COLUMNS = (("spo2", NO_SPO2), ("pulse_rate", NO_PULSE))
