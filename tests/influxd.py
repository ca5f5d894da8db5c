"""A real InfluxDB for the tests: 1.8.10, the last of its line that the ordinary Go client builds.

It answers the v2 write API and Flux, which is what we speak. Debian's own is 1.6, and lacks both. The program lies in
the user's cache under its version; it is built beside it and renamed, so it is whole or not there.
`python -m tests.influxd` builds it and says where it is.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vitals.errors import HjemvaktError

VERSION = "1.8.10"
_PACKAGE = f"github.com/influxdata/influxdb/cmd/influxd@v{VERSION}"
_GO = "/usr/local/go/bin/go"
_BUILD_S = 1800


class BuildError(HjemvaktError):
    """InfluxDB could not be built."""


def cached() -> Path:
    """Where the program is, or will be."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "hjemvakt" / f"influxd-{VERSION}-{platform.machine()}"


def go() -> str | None:
    """The Go command of this machine."""
    return shutil.which("go") or (_GO if Path(_GO).exists() else None)


def ready() -> tuple[Path, float]:
    """The program, built if it is not there, and the seconds that took; raises BuildError."""
    program = cached()
    if program.exists():
        return program, 0.0
    if go() is None:
        raise BuildError("InfluxDB is not built, and there is no Go to build it with", "install golang-go")
    begun = time.monotonic()
    program.parent.mkdir(parents=True, exist_ok=True)
    with (
        program.with_name(f"{program.name}.lock").open("w") as turn,
        tempfile.TemporaryDirectory(prefix="making-", dir=program.parent) as making,
    ):
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in several processes
        if not program.exists():
            _build(Path(making))
            (Path(making) / "influxd").replace(program)
    return program, time.monotonic() - begun


def _build(folder: Path) -> None:
    environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": str(folder), "GOTOOLCHAIN": "local"}
    command = [str(go()), "install", "-trimpath", "-ldflags", f"-s -w -X main.version={VERSION}", _PACKAGE]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"building InfluxDB took longer than {_BUILD_S} s", "try again on an idle machine") from error
    if done.returncode:
        complaint = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
        raise BuildError(f"InfluxDB cannot be built ({complaint[-1]})", "see that Go's modules can be fetched")


def main() -> int:
    try:
        program, took_s = ready()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{program}" + (f" (built in {took_s:.0f} s)" if took_s else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
