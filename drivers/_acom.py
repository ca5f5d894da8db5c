"""An observation as a Generic Health Sensor sends it: the abstract content model of IEEE 11073-10206, in bytes.

    class u8 | length u16 of what follows | flags u16 | what the flags promise, in this order | value

    flags   bit 0  type u32 (MDC)         bit 5  patient u8
            bit 1  time, 9 bytes          bit 6  supplementary: count u8, u32 each
            bit 2  duration FLOAT, s      bit 7  derived from: count u8, u32 each
            bit 3  status u16             bit 8  member of: count u8, u32 each
            bit 4  its number u32         bit 9  more: count u8; type u32, length u16, format u8, bytes each

    value by class
       1  number           unit u16 (MDC), FLOAT       5  codes              count u8, u32 each
       2  code             u32                         6  states             bytes n u8, then 3 n bytes
       3  text             length u16, bytes           7  several            count u8; type u32, class u8, value each
       4  samples          see `_samples`              8  more, as above     255  a bundle: count u8, observations

An observation of a bundle has the time, the patient, the status of the bundle where it does not say its own.

Told are numbers, alone or among several; the other classes are of no channel. What comes is little-endian.

Source: Generic Health Sensor Service 1.0; the layout held against the open implementations of STMicroelectronics
(STM32WBA), Realtek and Lamprey Networks (NordicPHDs), which agree. Philips' simulators are of an earlier draft, that
counted the classes from 0.
"""

from collections.abc import Iterator

import msgspec

from drivers._elapsed_time import Elapsed, elapsed
from drivers._gatt import Misfit, Reader
from drivers._reading import Missing, Number

SEVERAL, BUNDLE = 7, 255

INVALID, NOT_AVAILABLE, SETTING = 1 << 0, 1 << 2, 1 << 7
"""Bits of the status: no value, no value, and a value that somebody set and nobody measured."""


class About(msgspec.Struct, frozen=True):
    """What is said of an observation beside its value."""

    kind: int | None = None
    time: Elapsed | None = None
    status: int = 0
    patient: int | None = None


class Observed(msgspec.Struct, frozen=True):
    """A number: MDC codes of what it is and of its unit."""

    kind: int
    unit: int
    number: Number | Missing
    about: About


def observations(packet: Reader, of: About | None = None) -> Iterator[Observed]:
    """The numbers in the next observation, which may be part `of` a bundle; raises Misfit where it does not fit."""
    class_, length = packet.u8(), packet.u16()
    body = Reader(packet.take(length))
    about = _about(body, of or About())
    if class_ == BUNDLE and of is None:
        for _ in range(body.u8()):
            yield from observations(body, about)
    elif class_ == SEVERAL:
        for _ in range(body.u8()):
            kind, part = body.u32(), body.u8()
            yield from _value(body, part, kind, about)
    else:
        yield from _value(body, class_, about.kind, about)
    body.end()


def _about(body: Reader, of: About) -> About:
    flags = body.u16()
    kind = body.u32() if flags & 1 << 0 else None
    time = elapsed(body) if flags & 1 << 1 else of.time
    if flags & 1 << 2:
        body.float32()
    status = body.u16() if flags & 1 << 3 else of.status
    if flags & 1 << 4:
        body.u32()
    patient = body.u8() if flags & 1 << 5 else of.patient
    for bit in (6, 7, 8):
        if flags & 1 << bit:
            body.take(4 * body.u8())
    if flags & 1 << 9:
        _more(body)
    return About(kind, time, status, patient)


def _value(body: Reader, class_: int, kind: int | None, about: About) -> Iterator[Observed]:
    """The number a value is, if it is one; whatever it is, it is taken from `body`."""
    match class_:
        case 1:
            unit, number = body.u16(), body.float32()
            if kind is not None:
                yield Observed(kind, unit, number, about)
        case 2:
            body.u32()
        case 3:
            body.take(body.u16())
        case 4:
            _samples(body)
        case 5:
            body.take(4 * body.u8())
        case 6:
            body.take(3 * body.u8())
        case 8:
            _more(body)
        case _:
            raise Misfit("unknown packet", f"an observation of class {class_}, which the specification does not have")


def _samples(body: Reader) -> None:
    """Unit u16; scale, offset, period FLOAT; samples a period u8; bytes a sample u8; number of samples u32; samples."""
    body.take(2 + 4 + 4 + 4 + 1)
    size = body.u8()
    body.take(size * body.u32())


def _more(body: Reader) -> None:
    for _ in range(body.u8()):
        body.u32()
        body.take(body.u16() + 1)
