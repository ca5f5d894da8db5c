"""The real server, which says when it is asked how much of a core each of its threads has taken: for `bench_ingest`.

    python -m benchmarks.threads CONFIG FILE [--no-fold]

Asked by SIGUSR1 it writes FILE: seconds of a core by the thread's name, as JSON. With `--no-fold` nothing is folded, so
that what ingest itself takes is not disturbed by the thread that folds beside it.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec
import psutil

import server.app
from server.__main__ import main

EAR, STORING, FOLDING = "ear", "ingest", "fold"
"""The thread of paho's network, the one that stores what it hears, and the one that folds."""

_WAIT_S = 10.0


def taken_s(server_process: psutil.Process, file: Path) -> dict[str, float]:
    """Seconds of a core that each thread of such a server has taken, by name; the sum is under no name."""
    file.unlink(missing_ok=True)
    server_process.send_signal(signal.SIGUSR1)
    until_s = time.monotonic() + _WAIT_S
    while not file.exists():
        if time.monotonic() > until_s:
            raise SystemExit("the server did not say what its threads have taken; is it stopped?")
        time.sleep(0.01)
    return msgspec.json.decode(file.read_bytes(), type=dict[str, float])


def _write(file: Path) -> None:
    found = {"": time.process_time()}
    for thread in threading.enumerate():
        if thread.ident is not None:
            name = EAR if thread.name.startswith("paho") else thread.name
            clock = time.pthread_getcpuclockid(thread.ident)
            found[name] = found.get(name, 0.0) + time.clock_gettime(clock)
    whole = file.with_suffix(".part")
    whole.write_bytes(msgspec.json.encode(found))
    os.replace(whole, file)


if __name__ == "__main__":
    config, told, *more = sys.argv[1:]
    if "--no-fold" in more:
        server.app.Server._fold = lambda self, now_ns: ()  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, lambda *_: _write(Path(told)))
    raise SystemExit(main(["run", config]))
