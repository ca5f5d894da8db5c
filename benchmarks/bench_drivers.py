"""How fast the drivers of streaming devices read, in packets a second and as a multiple of the device's own speed.

A gateway reads a few streams, so 1000 times real time on one core means that reading is no load at all. The bytes come
as a serial port gives them, a tenth of a second at a time, and their time passes as it would at the device: the driver
has one reading a second to tell, not one in the whole run. Each stream is also measured with no finger in the sensor,
when no packet may be skipped. Run with `python benchmarks/bench_drivers.py`.
"""

import sys
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from drivers.catalogue import find
from drivers.contract import Rx
from vitals.clock import MS, NS

START_NS = 1_795_248_000 * NS
READ_MS = 100
STREAM_S = 300
TIMES = 3


class Stream(msgspec.Struct, frozen=True):
    """A driver, `packets` in hexadecimal that repeat, how many these are, and how many come in a second."""

    driver: str
    what: str
    packets: str
    count: int
    per_s: int


STREAMS = (
    Stream("bci", "72, 97 %", "86 30 05 48 61", 1, 100),
    Stream("bci", "no finger", "80 00 60 7f 7f", 1, 100),
)


def seconds(stream: Stream) -> float:
    """Seconds of one core for `STREAM_S` seconds of the stream; the best of some runs."""
    size = len(bytes.fromhex(stream.packets)) // stream.count
    data = bytes.fromhex(stream.packets) * (STREAM_S * stream.per_s // stream.count)
    burst = size * stream.per_s * READ_MS // 1000
    reads = [
        Rx("serial", data[at : at + burst], START_NS + number * READ_MS * MS)
        for number, at in enumerate(range(0, len(data), burst))
    ]
    return min(_run(stream.driver, reads) for _ in range(TIMES))


def _run(name: str, reads: list[Rx]) -> float:
    driver = find(name)()
    begun = time.perf_counter()
    for rx in reads:
        for _ in driver.feed(rx):
            pass
    return time.perf_counter() - begun


def main() -> None:
    for stream in STREAMS:
        took_s = seconds(stream)
        per_s = STREAM_S * stream.per_s / took_s
        name = f"{stream.driver}, {stream.what}"
        print(f"{name:36} {per_s:12,.0f} packets/s {STREAM_S / took_s:10,.0f} × real time")


if __name__ == "__main__":
    main()
