"""How fast a bucket that is far behind is fed, beside the same lines poured into the same InfluxDB ready-made.

The second is what InfluxDB itself can take over its own API in requests of the same size; the ratio says what reading
entries, making lines, packing them and moving the cursor cost. Client and server share the machine's cores. Run with
`python benchmarks/bench_influx.py`; it needs Go once, to build InfluxDB.
"""

import gzip
import statistics
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from server import revisions
from server.config import Influx
from server.db import Database
from server.readings.feed import Feed
from server.readings.influx import AT_ONCE
from server.readings.lines import change
from tests.influxd import BuildError, ready
from tests.server.conftest import START_NS
from tests.server.readings.influx_server import InfluxServer, influx_store
from tests.server.readings.made import MadeJournal, reading
from vitals.clock import NS, ManualClock

READINGS = 1_000
PATIENTS, CHANNELS = 500, ("spo2", "pulse_rate", "resp_rate", "body_temp")


def journal(entries: int) -> MadeJournal:
    """So many entries as busy ones are: a thousand readings of many patients."""
    made = MadeJournal()
    for _ in range(entries):
        first = made.last() * READINGS
        made.file(
            *(
                reading(
                    50 + n % 50, START_NS + (first + n) * NS // 10, patient=f"p-{(first + n) % PATIENTS:04}",
                    channel=CHANNELS[n % len(CHANNELS)],
                )
                for n in range(READINGS)
            )
        )  # fmt: skip
    return made


def fed(server: InfluxServer, made: MadeJournal, db: Database) -> float:
    """Readings a second, from the journal to the last answer."""
    clock = ManualClock(START_NS)
    store = influx_store(server.bucket(), db, clock)
    feed = Feed("influx", store, made.read, made.last, clock)
    begun = time.perf_counter()
    while feed.step():
        pass
    took_s = time.perf_counter() - begun
    store.close()
    return made.last() * READINGS / took_s


def poured(server: InfluxServer, bodies: list[bytes], readings: int) -> float:
    """Readings a second, of so many in bodies that are packed already."""
    bucket: Influx = server.bucket()
    asked = urllib.parse.urlencode({"bucket": bucket.bucket, "org": "-", "precision": "ns"})
    headers = {"Authorization": f"Token {bucket.token()}", "Content-Encoding": "gzip"}
    begun = time.perf_counter()
    for body in bodies:
        request = urllib.request.Request(f"{server.url}/api/v2/write?{asked}", body, headers)
        urllib.request.urlopen(request, timeout=60).close()
    return readings / (time.perf_counter() - begun)


def main() -> int:
    given = asked(entries=(200, 2), times=(3, 1))
    try:
        ready()
    except BuildError as error:
        print(f"LEFT OUT: the feed of InfluxDB: {error}", file=sys.stderr)
        return 0
    made = journal(given.entries)
    lines = [point.line for point in change(made.entries).write.values()]
    bodies = [
        gzip.compress("\n".join(lines[start : start + AT_ONCE]).encode(), 1) for start in range(0, len(lines), AT_ONCE)
    ]
    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "hjemvakt.sqlite")
        revisions.upgrade(db)
        server = InfluxServer(Path(folder))
        try:
            server.start()
            rates = [(fed(server, made, db), poured(server, bodies, len(lines))) for _ in range(given.times)]
        finally:
            server.kill()
            db.close()
    ours, bare = (statistics.median(column) for column in zip(*rates, strict=True))
    beside = f"{ours / bare:.2f} of the same lines ready-made ({bare:,.0f}/s)"
    print(f"feed to InfluxDB 1.8.10    {ours:>9,.0f} readings/s   {beside}")
    print(f"on the wire                {sum(map(len, bodies)) / len(lines):>9.1f} bytes a reading")
    return 0


if __name__ == "__main__":
    sys.exit(main())
