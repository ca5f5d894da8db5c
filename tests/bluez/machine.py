"""Boots the machine and runs one command in it.

    python -m tests.bluez.machine run 'python3 -m pytest -q tests/bluez/proofs'

The command runs in the repository, with the packages of this environment, as root, beside a system bus, `bluetoothd`
and a kernel with `/dev/vhci`; what it prints is printed, and its exit status is the exit status. Nothing it writes
outlives it. 125: the machine itself failed, and the last lines of its console say how.

Where the kernel's own virtual machines work they are used, else the processor is emulated; whether they work is tried,
because a `/dev/kvm` that is there may still be none (a virtual machine within another), or one that gives up at some
instruction while the machine boots: then it is booted again, emulated.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bluez import image
from tests.bluez.image import MachineError

REPOSITORY = Path(__file__).resolve().parents[2]
TROUBLE = 125
WITHIN_S = 600.0
BOOT_WITHIN_S = 120.0
_MEMORY_MB = 1024
_KVM_WITHIN_S = 3.0
_KVM_GAVE_UP = b"KVM internal error"
_LAST_LINES = 25


class KvmGaveUp(MachineError):
    """The kernel's virtual machine came to an instruction that it cannot do."""


class Ran(NamedTuple):
    """A command in the machine: its exit status and output, and the seconds of building, booting and running."""

    status: int
    output: str
    build_s: float
    boot_s: float
    run_s: float


def run(
    command: str,
    *,
    within_s: float = WITHIN_S,
    bluetoothd: str = "",
    say: Callable[[str], None] | None = None,
    keep: Path | None = None,
) -> Ran:
    """Run a shell command in the machine; raises MachineError.

    within_s: for booting and running together. bluetoothd: options for it (`--debug`). say: is given the output as it
    comes. keep: an empty folder for `console` and `bluetoothd.log`; left out, they are thrown away.
    """
    folder, build_s = image.ready()
    with tempfile.TemporaryDirectory(prefix="hjemvakt-machine-") as name:
        out = keep or Path(name)
        (out / "job").write_text(f"{command}\n", encoding="utf-8")
        (out / "python").write_text(f"{sys.version_info.major}.{sys.version_info.minor}", encoding="utf-8")
        (out / "bluetoothd.options").write_text(bluetoothd, encoding="utf-8")
        if _kvm_works():
            with contextlib.suppress(KvmGaveUp):
                return _Run(folder, out, within_s, say, kvm=True).result(build_s)
        return _Run(folder, out, within_s, say, kvm=False).result(build_s)


class _Run:
    """One life of the machine."""

    def __init__(
        self, folder: Path, out: Path, within_s: float, say: Callable[[str], None] | None, *, kvm: bool
    ) -> None:
        self._out = out
        self._within_s = within_s
        self._say = say
        self._output: list[str] = []
        self._complaint = b""
        self._began_s = time.monotonic()
        self._booted_s: float | None = None
        command = _qemu(folder, out, kvm=kvm)
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._machine = subprocess.Popen(command, stdin=nothing, stdout=pipe, stderr=pipe)

    def result(self, build_s: float) -> Ran:
        listeners = [threading.Thread(target=listen) for listen in (self._listen, self._listen_to_complaints)]
        for one in listeners:
            one.start()
        with self._machine:
            try:
                why = self._watch()
            finally:
                self._machine.kill()
                for one in listeners:
                    one.join()
        ended_s = time.monotonic()
        status = self._out / "status"
        if why or not status.exists() or self._booted_s is None:
            raise (KvmGaveUp if _KVM_GAVE_UP in self._complaint else MachineError)(
                f"{self._last_words()}\n{why or 'the machine ended without a status'}", "see above"
            )
        return Ran(
            int(status.read_text()),
            "".join(self._output),
            build_s,
            self._booted_s - self._began_s,
            ended_s - self._booted_s,
        )

    def _watch(self) -> str:
        """Wait for the end; what went wrong, if something did."""
        while self._machine.poll() is None:
            now_s = time.monotonic()
            if _KVM_GAVE_UP in self._complaint:
                return "the machine stands still"
            if self._booted_s is None and (self._out / "booted").exists():
                self._booted_s = now_s
            if self._booted_s is None and now_s - self._began_s > BOOT_WITHIN_S:
                return f"the machine did not boot within {BOOT_WITHIN_S:.0f} s"
            if now_s - self._began_s > self._within_s:
                return f"the command did not end within {self._within_s:.0f} s"
            time.sleep(0.05)
        return ""

    def _listen(self) -> None:
        assert self._machine.stdout
        for line in iter(self._machine.stdout.readline, b""):
            text = line.decode(errors="replace").replace("\r\n", "\n")
            self._output.append(text)
            if self._say:
                self._say(text)

    def _listen_to_complaints(self) -> None:
        assert self._machine.stderr
        for line in iter(self._machine.stderr.readline, b""):
            self._complaint += line

    def _last_words(self) -> str:
        console = self._out / "console"
        lines = console.read_text(errors="replace").splitlines() if console.exists() else []
        return "\n".join([*lines[-_LAST_LINES:], self._complaint.decode(errors="replace").strip()])


def _qemu(folder: Path, out: Path, *, kvm: bool) -> list[str]:
    packages = sysconfig.get_paths()["purelib"]
    shares = {
        "hjemvakt": (REPOSITORY, "on"),
        "site": (Path(packages), "on"),
        "out": (out, "off"),
    }
    return [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        *(("-accel", "kvm", "-cpu", "host") if kvm else ("-accel", "tcg,thread=multi", "-cpu", "max")),
        "-machine", "q35", "-smp", "2", "-m", str(_MEMORY_MB),
        "-kernel", str(folder / "kernel"), "-initrd", str(folder / "first.cpio"),
        "-append", "console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off random.trust_cpu=on",
        "-drive", f"file={folder / 'root.ext4'},format=raw,if=virtio,readonly=on",
        "-device", "virtio-rng-pci",
        "-chardev", f"file,id=console,path={out / 'console'}", "-serial", "chardev:console",
        "-chardev", "stdio,id=output,signal=off",
        "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=output",
        *(
            part
            for tag, (path, readonly) in shares.items()
            for part in ("-virtfs", f"local,path={path},mount_tag={tag},security_model=none,readonly={readonly}")
        ),
    ]  # fmt: skip


def _kvm_works() -> bool:
    """Whether a machine of the kernel's can be made: an empty one, that is not started, lives on."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    probe = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-accel", "kvm", "-cpu", "host", "-S"]
    with subprocess.Popen(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as machine:
        try:
            machine.wait(_KVM_WITHIN_S)
        except subprocess.TimeoutExpired:
            machine.kill()
            return True
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """`build`, or `run COMMAND`; the exit status is the command's."""
    parser = argparse.ArgumentParser(prog="python -m tests.bluez.machine", description=__doc__.split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="make the image, if it is not there")
    running = verbs.add_parser("run", help="run a shell command in the machine")
    running.add_argument("command")
    running.add_argument("--within", type=float, default=WITHIN_S, metavar="S", help="seconds (%(default).0f)")
    running.add_argument("--bluetoothd", default="", metavar="OPTIONS", help="as --bluetoothd=--debug")
    running.add_argument("--keep", type=Path, metavar="FOLDER", help="leave console and bluetoothd.log there")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "build":
            folder, build_s = image.ready()
            print(f"{folder}: {f'built in {build_s:.0f} s' if build_s else 'was there'}")
            return 0
        if chosen.keep:
            chosen.keep.mkdir(parents=True)
        ran = run(chosen.command, within_s=chosen.within, bluetoothd=chosen.bluetoothd, say=_print, keep=chosen.keep)
    except MachineError as error:
        print(error, file=sys.stderr)
        return TROUBLE
    print(f"machine: build {ran.build_s:.0f} s, boot {ran.boot_s:.0f} s, command {ran.run_s:.0f} s", file=sys.stderr)
    return ran.status


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
