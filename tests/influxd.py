"""A real InfluxDB for the tests: 1.8.10, the last of its line that the ordinary Go client builds, and 2.7.12.

Both answer the v2 write API and Flux, which is what we speak. Debian's own is 1.6, and lacks both. A program lies in
the user's cache under its version; it is built beside it and renamed, so it is whole or not there.

1.8.10 takes a minute. 2.7.12 has Flux in Rust: it needs cargo beside Go, and ten minutes of a core. So no test builds
it: `make influx27` does, and from then on the tests run with both.

`python -m tests.influxd [VERSION]` builds one and says where it is.
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

ONE, TWO = "1.8.10", "2.7.12"
_GO = "/usr/local/go/bin/go"
_CARGO = "~/.cargo/bin/cargo"
_BUILD_S = 3600


class BuildError(HjemvaktError):
    """InfluxDB could not be built."""


def cached(version: str = ONE) -> Path:
    """Where the program is, or will be."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "hjemvakt" / f"influxd-{version}-{platform.machine()}"


def go() -> str | None:
    """The Go command of this machine."""
    return shutil.which("go") or (_GO if Path(_GO).exists() else None)


def cargo() -> str | None:
    """The cargo command of this machine."""
    here = Path(_CARGO).expanduser()
    return shutil.which("cargo") or (str(here) if here.exists() else None)


def ready(version: str = ONE) -> tuple[Path, float]:
    """The program, built if it is not there, and the seconds that took; raises BuildError."""
    program = cached(version)
    if program.exists():
        return program, 0.0
    if go() is None:
        raise BuildError("InfluxDB is not built, and there is no Go to build it with", "install golang-go")
    if version == TWO and cargo() is None:
        raise BuildError("InfluxDB 2 is not built, and there is no cargo to build it with", "install cargo")
    begun = time.monotonic()
    program.parent.mkdir(parents=True, exist_ok=True)
    with (
        program.with_name(f"{program.name}.lock").open("w") as turn,
        tempfile.TemporaryDirectory(prefix="making-", dir=program.parent) as making,
    ):
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in several processes
        if not program.exists():
            (_build_one if version == ONE else _build_two)(Path(making))
            (Path(making) / "influxd").replace(program)
    return program, time.monotonic() - begun


def _build_one(folder: Path) -> None:
    package = f"github.com/influxdata/influxdb/cmd/influxd@v{ONE}"
    _go(folder, {"CGO_ENABLED": "0"}, "install", "-trimpath", "-ldflags", f"-s -w -X main.version={ONE}", package)


def _build_two(folder: Path) -> None:
    """Its own pkg-config makes cargo build Flux. A compiler newer than Flux warns of more than Flux allows.

    The folder comes first in PATH, for that pkg-config; so what allows it must not be called as the compiler is.
    """
    module, source = "github.com/influxdata/influxdb/v2", folder / "source"
    source.mkdir()
    (source / "go.mod").write_text("module influx\n\ngo 1.21\n", encoding="utf-8")
    wrapper = folder / "allowing"
    wrapper.write_text('#!/bin/sh\nexec "$@" --cap-lints warn\n', encoding="utf-8")
    wrapper.chmod(0o755)
    about = {
        "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "auto", "RUSTC_WRAPPER": str(wrapper), "RUSTFLAGS": "--cap-lints warn",
        **_rust_that_is_here(),
        "PATH": f"{folder}:{Path(str(cargo())).parent}:{Path(str(go())).parent}:{os.environ['PATH']}",
        "PKG_CONFIG": str(folder / "pkg-config"),
    }  # fmt: skip
    _go(folder, about, "install", "github.com/influxdata/pkg-config@v0.2.14")
    _go(source, about, "get", f"{module}@v{TWO}")
    flags = ("-trimpath", "-tags", "sqlite_foreign_keys,sqlite_json", "-ldflags", f"-s -w -X main.version=v{TWO}")
    _go(source, about, "build", *flags, "-o", str(folder / "influxd"), f"{module}/cmd/influxd")


def _rust_that_is_here() -> dict[str, str]:
    """Flux names a compiler of its year, which rustup would fetch."""
    rustup = shutil.which("rustup") or shutil.which("rustup", path=str(Path(_CARGO).expanduser().parent))
    if rustup is None:
        return {}
    listed = subprocess.run([rustup, "toolchain", "list"], capture_output=True, text=True, timeout=60, check=False)
    return {"RUSTUP_TOOLCHAIN": listed.stdout.split()[0]} if listed.stdout.split() else {}


def _go(folder: Path, about: dict[str, str], *what: str) -> None:
    """Run Go in a folder, with that added to the environment; what it installs goes there."""
    environment = os.environ | {"GOBIN": str(folder), "GOTOOLCHAIN": "local"} | about
    try:
        done = subprocess.run(
            [str(go()), *what],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_BUILD_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"building InfluxDB took longer than {_BUILD_S} s", "try again on an idle machine") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
        said = next((line for line in lines if line.startswith("error")), lines[-1])  # the rest is what fell over it
        raise BuildError(f"InfluxDB cannot be built ({said})", "see that Go's modules and cargo's can be fetched")


def main() -> int:
    version = sys.argv[1] if len(sys.argv) > 1 else ONE
    if version not in (ONE, TWO):
        print(f"error: there is no way to build InfluxDB {version}: give {ONE} or {TWO}", file=sys.stderr)
        return 2
    try:
        program, took_s = ready(version)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{program}" + (f" (built in {took_s:.0f} s)" if took_s else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
