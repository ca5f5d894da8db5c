"""Says before the tests run what this machine cannot test, and leaves nothing out where CI is set.

A marked test that the machine lacks the means for is deselected by `tests/conftest.py`, never passed.
"""

import glob
import os
import shutil
import sys

from tests import influxd

NEEDS = {
    "mosquitto": ("mosquitto", "/usr/sbin/mosquitto", "the tests over a real mosquitto"),
    "chromium": ("chromium", "/usr/bin/chromium", "the tests in a real browser"),
    "postgres": ("initdb", "/usr/lib/postgresql/*/bin/initdb", "the tests of the server on a real PostgreSQL"),
    "qemu": ("qemu-system-x86_64", "/usr/bin/qemu-system-x86_64", "the proofs on the real Linux Bluetooth stack"),
}
"""mark -> command, where Debian puts it, what is left out without it."""


LATER = "influx27"
"""What takes ten minutes to build is no part of `make test`, nor of CI, unless it is there."""


def lacking() -> dict[str, str]:
    """mark -> what is left out on this machine."""
    missing = {
        mark: what for mark, (command, path, what) in NEEDS.items() if not shutil.which(command) and not glob.glob(path)
    }
    if influxd.go() is None and not influxd.cached().exists():
        missing["influx"] = "the tests over a real InfluxDB (Go builds it once)"
    if not influxd.cached(influxd.TWO).exists():
        missing[LATER] = f"the contract of the stores on InfluxDB {influxd.TWO} (`make influx27` builds and runs it)"
    if os.geteuid() != 0:
        missing["root"] = "the tests on a small disk of their own (only root may mount one)"
    return missing


def main() -> int:
    missing = lacking()
    for mark, what in missing.items():
        print(f"LEFT OUT: {what}: {mark} is not here", file=sys.stderr)
    if missing.keys() - {LATER} and os.environ.get("CI"):
        print("CI leaves nothing out: install what is missing", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
