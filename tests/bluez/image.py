"""What the machine boots: a kernel, a first file system of a few modules, and a root file system with BlueZ.

The packages are the distribution's own, found by the host's apt with an empty list of what is installed, so that it
names every one of them down to the C library; each is unpacked, and none is configured: what a maintainer's script
would have done for the few that matter is done in `guest/`. So nothing needs root, and nothing on the host changes.

Python's packages are not in the image: the machine sees the environment of the host (`machine`). Therefore its Python
must be of the same version, and `guest/boot` looks whether it is.

Of the kernel's modules all ciphers are taken, and not only those that Bluetooth names: it asks for them by alias when
a pairing is under way, and without one it fails there ("Unable to create ECDH crypto context").

The image lies in the user's cache, in a folder named after the recipe: these files and the list of packages. It is
made beside it and renamed, so it is whole or not there; images of other recipes are removed.
"""

import hashlib
import lzma
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from vitals.errors import HjemvaktError

HERE = Path(__file__).resolve().parent
PACKAGES = ("linux-image-6.12-amd64", "busybox-static", "bluez", "dbus", "kmod", "python3")
"""Not the kernel 6.1 of the same distribution: in 6.1.0-55 and -56 bluetoothd dies of a bug of the kernel's ("list_del
corruption" in hci_chan_del) each time a device has forgotten its bond. 6.1.0-52 and 6.12 are free of it."""
NEEDS = ("qemu-system-x86_64", "apt-get", "dpkg-deb", "mke2fs")
"""Commands of the host. The last three are on every Debian."""

_FIRST_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "crc32c_intel")
_MODULES = (
    "arch/x86/crypto",
    "crypto",
    "drivers/bluetooth",
    "drivers/char/hw_random",
    "drivers/char/virtio_console.ko",
    "drivers/block/virtio_blk.ko",
    "drivers/crypto",
    "drivers/virtio",
    "fs/9p",
    "fs/ext4",
    "fs/fscache",
    "fs/jbd2",
    "fs/mbcache.ko",
    "fs/netfs",
    "lib",
    "net/9p",
    "net/bluetooth",
    "net/rfkill",
)
_UNREAD = ("boot", "usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man", "usr/share/perl")
_IMAGE_MB = 400
_MAKING = "making-"
_MAKING_MOST_S = 3600


class MachineError(HjemvaktError):
    """The machine could not be built or did not come up."""


def recipe_hash() -> str:
    """Sixteen digits for everything the image is made of."""
    digest = hashlib.sha256(" ".join(PACKAGES).encode())
    for file in (Path(__file__), *sorted((HERE / "guest").iterdir())):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def lacking() -> list[str]:
    """What this host has not got for it."""
    commands = [command for command in NEEDS if not _where(command)]
    return commands if platform.machine() == "x86_64" else [*commands, "a processor of x86_64"]


def cache() -> Path:
    """Where images are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "hjemvakt" / "bluez"


def ready() -> tuple[Path, float]:
    """The folder of the image, built if it is not there, and the seconds that took; raises MachineError."""
    if lacking():
        raise MachineError(f"the machine lacks {', '.join(lacking())}", "install qemu-system-x86 on Debian for x86_64")
    folder = cache() / recipe_hash()
    if folder.exists():
        return folder, 0.0
    begun = time.monotonic()
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder.parent))
    try:
        _build(making)
        _keep(making, folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder, time.monotonic() - begun


def _keep(made: Path, folder: Path) -> None:
    """Put it in its place; another who built the same at the same time was as good."""
    try:
        (made / "image").rename(folder)
    except OSError:
        if not folder.exists():
            raise
    for old in folder.parent.iterdir():
        under_way = old.name.startswith(_MAKING) and time.time() - old.stat().st_mtime < _MAKING_MOST_S
        if old != folder and not under_way:
            shutil.rmtree(old, ignore_errors=True)


def _build(making: Path) -> None:
    image, root = making / "image", making / "root"
    image.mkdir()
    packages = _fetched(making)
    _unpack(packages, root)
    (image / "packages.txt").write_text("".join(f"{package.name}\n" for package in packages), encoding="utf-8")
    kernel = next((root / "boot").glob("vmlinuz-*"))
    release = kernel.name.removeprefix("vmlinuz-")
    kernel.rename(image / "kernel")
    _thin_modules(root, release)
    _finish_root(root)
    _pack_first(making / "first", root, release, image / "first.cpio")
    _make_file_system(root, image / "root.ext4")


def _fetched(making: Path) -> list[Path]:
    """The packages and all they stand on, from the host's own sources."""
    for folder in (making / "apt" / "archives" / "partial", making / "lists" / "partial"):
        folder.mkdir(parents=True)
    (making / "status").touch()
    options = {
        "Dir::State::status": making / "status",
        "Dir::State::Lists": making / "lists",
        "Dir::Cache": making / "apt",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    settings = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    try:
        _run(["apt-get", *settings, "-qq", "update"])
        _run(["apt-get", *settings, "-qq", "-y", "--download-only", "install", *PACKAGES])
    except MachineError as error:
        raise MachineError(error.text, "see that this is Debian and that its archive is reached") from error
    return sorted((making / "apt" / "archives").glob("*.deb"))


def _unpack(packages: list[Path], root: Path) -> None:
    for top in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / top).mkdir(parents=True)
        (root / top).symlink_to(f"usr/{top}")
    unpack = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-f", "-", "-C", str(root)]
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as archive:
            _run(unpack, stdin=archive.stdout)


def _thin_modules(root: Path, release: str) -> None:
    """Keep what Bluetooth, the shared folders and pairing need."""
    home = root / "lib" / "modules" / release / "kernel"
    kept = home.with_name("kept")
    for name in _MODULES:
        for found in (home / name, home / f"{name}.xz"):
            target = kept / found.relative_to(home)
            target.parent.mkdir(parents=True, exist_ok=True)
            if found.exists():
                found.rename(target)
    for packed in kept.rglob("*.ko.xz"):  # busybox reads none of these
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    shutil.rmtree(home)
    kept.rename(home)
    for name in _UNREAD:
        shutil.rmtree(root / name, ignore_errors=True)
    _run([*_inside(root, "kmod", "depmod"), "-b", str(root), release])


def _inside(root: Path, program: str, name: str) -> list[str]:
    """A program of the root file system, called by another name, as the host can run it: with its own libraries."""
    libraries = root / "lib" / "x86_64-linux-gnu"
    loader = [str(root / "lib64" / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), "--argv0", name]
    return [*loader, str(root / "bin" / program)]


def _finish_root(root: Path) -> None:
    """What the packages' own scripts would have made."""
    etc = root / "etc"
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nmessagebus:x:100:100::/nonexistent:/bin/false\n")
    (etc / "group").write_text("root:x:0:\nmessagebus:x:100:\nbluetooth:x:101:\n")
    (etc / "hosts").write_text("127.0.0.1 localhost machine\n")
    for folder in ("dev", "proc", "sys", "tmp", "run", "out", "hjemvakt", "site", "root", "var/lib/bluetooth"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    # A bus that could start BlueZ by itself would be in the way of the one who does (`guest/boot`).
    (root / "usr" / "share" / "dbus-1" / "system-services" / "org.bluez.service").unlink()
    _link_busybox(root)
    _install(HERE / "guest" / "boot", root / "boot")


def _link_busybox(root: Path) -> None:
    """A command of busybox's for each name that no package brought."""
    names = _run([str(root / "bin" / "busybox"), "--list"]).split()
    for name in names:
        places = [root / "bin" / name, root / "sbin" / name]
        if not any(place.exists() or place.is_symlink() for place in places):
            places[0].symlink_to("busybox")


def _pack_first(first: Path, root: Path, release: str, target: Path) -> None:
    """The file system in which the kernel starts: only to find the real one."""
    modules = Path("lib") / "modules" / release
    for folder in ("bin", "dev", "proc", "root", modules):
        (first / folder).mkdir(parents=True)
    for name in ("modules.dep", "modules.alias", "modules.symbols"):
        shutil.copy(root / modules / name, first / modules / name)
    wanted = _with_dependencies(root / modules / "modules.dep")
    for name in wanted:
        (first / modules / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / modules / name, first / modules / name)
    shutil.copy(root / "bin" / "busybox", first / "bin" / "busybox")
    _install(HERE / "guest" / "first", first / "init")
    names = sorted(str(path.relative_to(first)) for path in first.rglob("*"))
    pack = [str(root / "bin" / "busybox"), "cpio", "-o", "-H", "newc", "-R", "0:0"]
    made = subprocess.run(pack, cwd=first, input="\n".join(names).encode(), capture_output=True, check=True)
    target.write_bytes(made.stdout)


def _with_dependencies(dep_file: Path) -> list[str]:
    """Paths of the first modules and of what each depends on."""
    table = dict(line.split(":", 1) for line in dep_file.read_text(encoding="utf-8").splitlines())
    wanted = [path for path in table if Path(path).name.split(".")[0].replace("-", "_") in _FIRST_MODULES]
    return sorted({*wanted, *(needed for path in wanted for needed in table[path].split())})


def _make_file_system(root: Path, target: Path) -> None:
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", str(root)]
    _run(["mke2fs", *options, str(target), f"{_IMAGE_MB}M"])


def _install(script: Path, target: Path) -> None:
    if target.is_dir():
        target.rmdir()
    shutil.copy(script, target)
    target.chmod(0o755)


def _where(command: str) -> str | None:
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _run(command: list[str], stdin: object = None) -> str:
    """What it prints; raises MachineError with what it complains of."""
    command = [_where(command[0]) or command[0], *command[1:]]
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)  # type: ignore[call-overload]
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip().splitlines() or [f"code {done.returncode}"]
        raise MachineError(f"{Path(command[0]).name} failed ({complaint[-1]})", "see its words")
    return str(done.stdout)
