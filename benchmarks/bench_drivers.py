"""How fast the drivers of streaming devices read, in packets a second and as a multiple of the device's own speed.

A gateway reads a few streams, so 1000 times real time on one core means that reading is no load at all. The bytes come
as a serial port gives them, a tenth of a second at a time, and their time passes as it would at the device: the driver
has one reading a second to tell, not one in the whole run. Each stream is also measured with no finger in the sensor,
when no packet may be skipped. Run with `python benchmarks/bench_drivers.py`.
"""

import sys
import time
from itertools import pairwise
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from drivers.catalogue import find
from drivers.contract import Rx
from vitals.clock import MS, NS

START_NS = 1_795_248_000 * NS
READ_MS = 100


class Stream(msgspec.Struct, frozen=True):
    """A driver, `packets` in hexadecimal that repeat, how many these are, and how many come in a second."""

    driver: str
    what: str
    packets: str
    count: int
    per_s: int


# 25 frames of a Nonin packet: 72 per minute and 97 % in the first three.
NONIN_2 = (
    "01 81 40 00 c2 01 80 47 48 10 01 80 4e 61 30 01 80 55 1e f4 01 80 5c 00 dd 01 80 63 00 e4 01 80 6a 05 f0 "
    "01 80 71 20 12 01 80 78 60 59 01 80 7f 5f 5f 01 80 86 5e 65 01 80 8d 00 0e 01 80 94 00 15 01 80 9b 00 1c "
    "01 80 a2 47 6a 01 80 a9 5d 87 01 80 b0 5c 8d 01 80 b7 00 38 01 80 be 00 3f 01 80 c5 00 46 01 80 cc 46 93 "
    "01 80 d3 00 54 01 80 da 45 a0 01 80 e1 00 62 01 80 e8 00 69"
)
NONIN_7 = (
    "81 40 00 00 c1 80 47 03 48 12 80 4e 06 61 35 80 55 09 1e fc 80 5c 0c 00 e8 80 63 0f 00 f2 80 6a 12 05 01 "
    "80 71 15 20 26 80 78 18 60 70 80 7f 1b 5f 79 80 86 1e 5e 82 80 8d 21 00 2e 80 94 24 00 38 80 9b 27 00 42 "
    "80 a2 2a 47 93 80 a9 2d 5d b3 80 b0 30 5c bc 80 b7 33 00 6a 80 be 36 00 74 80 c5 39 00 7e 80 cc 3c 46 ce "
    "80 d3 3f 00 92 80 da 42 45 e1 80 e1 45 00 a6 80 e8 48 00 b0"
)
STREAMS = (
    Stream("bci", "72, 97 %", "86 30 05 48 61", 1, 100),
    Stream("bci", "no finger", "80 00 60 7f 7f", 1, 100),
    Stream("contec-cms50dplus-46", "65, 97 %", "01 e0 85 b3 96 c1 e1 ff ff", 1, 60),
    Stream("nonin-oem3-format2", "72, 97 %, frames", NONIN_2, 25, 75),
    Stream("nonin-oem3-format7", "72, 97 %, frames", NONIN_7, 25, 75),
)


def measured(stream: Stream, stream_s: int, times: int) -> tuple[float, int]:
    """Seconds of one core for so many seconds of the stream (the best of some runs), and what came of it."""
    size = len(bytes.fromhex(stream.packets)) // stream.count
    data = bytes.fromhex(stream.packets) * (stream_s * stream.per_s // stream.count)
    ends = [size * stream.per_s * number * READ_MS // 1000 for number in range(stream_s * 1000 // READ_MS + 1)]
    reads = [
        Rx("serial", data[begin:end], START_NS + number * READ_MS * MS)
        for number, (begin, end) in enumerate(pairwise(ends))
    ]
    return min(_run(stream.driver, reads) for _ in range(times))


def _run(name: str, reads: list[Rx]) -> tuple[float, int]:
    driver = find(name)()
    told = 0
    begun = time.perf_counter()
    for rx in reads:
        for _ in driver.feed(rx):
            told += 1
    return time.perf_counter() - begun, told


def main() -> None:
    given = asked(seconds=(300, 3), times=(3, 1))
    for stream in STREAMS:
        took_s, told = measured(stream, given.seconds, given.times)
        per_s = given.seconds * stream.per_s / took_s
        name = f"{stream.driver}, {stream.what}"
        print(f"{name:36} {per_s:12,.0f} packets/s {given.seconds / took_s:10,.0f} × real time, {told:4} told")


if __name__ == "__main__":
    main()
