"""A disk that can be cut off: what a process asked of its files, and what a power cut may leave of it.

`record` runs a program under strace, which writes down every change that it asks the system to make in one folder,
with the bytes. `Disk` does the same changes in memory and keeps apart what is on the platter and what is only promised:

    content   a write or a change of size is promised until a synchronisation of that file has returned
    name      a file that was made, moved or removed is promised until a synchronisation of its folder has returned

`after_cut` is one disk that may be found when the power comes back: everything on the platter, and of what was promised
any part. A write may be there whole, not at all, or in any of its sectors, and a later one without an earlier one; a
sector that never came, before one that did, reads as zeros. This is more than most file systems take from anyone.

Memory that a process shares with its file (SQLite's -shm) is not followed: it is made anew after a start.
"""

import asyncio
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = "openat,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2"
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+).*", re.DOTALL)
_FILE = re.compile(r"\d+<((?:\\x[0-9a-f]{2})+)>")
_ENDED = " <unfinished ...>"
SAID = "said"
SECTORS = (512, 4096, 1 << 30)
"""A write is torn at one of these, drawn for each cut; at the last it is there whole or not at all."""
SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How likely it is that something promised is there, drawn for each cut."""


@dataclass(frozen=True)
class Change:
    """One thing that was asked for. `begun`: how many changes had been done when it was asked, see `Disk.do`.

    `kind`: make, write (`data` at `at`), size (to `at`), room (at least to `at`), sync, remove, move (to `data`, a
    path); say: `data`, which the program wrote into the file SAID for whoever reads the record.
    """

    kind: str
    path: str
    begun: int
    at: int = 0
    data: bytes = b""


@dataclass
class _File:
    """What of it is on the platter, and what was asked since, with its number."""

    platter: bytearray = field(default_factory=bytearray)
    promised: list[tuple[int, Change]] = field(default_factory=list)


class Disk:
    """The files of one folder, from an empty one on."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._done = 0
        self._names: dict[str, _File] = {}
        self._platter: dict[str, _File] = {}
        self._promised: list[tuple[int, str, _File | None]] = []

    def do(self, change: Change) -> None:
        """The next change. A synchronisation covers what was done before it was asked for, not what came meanwhile."""
        self._done += 1
        match change.kind:
            case "make":
                if change.path not in self._names:
                    self._name(change.path, _File())
            case "remove":
                self._name(change.path, None)
            case "move":
                self._name(change.data.decode(), self._names[change.path])
                self._name(change.path, None)
            case "sync" if change.path == self._folder:
                self._sync_names(change.begun)
            case "sync":
                _sync(self._names[change.path], change.begun)
            case "write" | "size" | "room":
                self._names[change.path].promised.append((self._done, change))

    def after_cut(self, draw: random.Random) -> dict[str, bytes]:
        """Path and content of each file that is found, should the power fail now."""
        sector, share = draw.choice(SECTORS), draw.choice(SHARES)
        names = dict(self._platter)
        for _, path, file in self._promised:
            if draw.random() < share:
                _set(names, path, file)
        return {path: _found(file, sector, share, draw) for path, file in names.items()}

    def _name(self, path: str, file: _File | None) -> None:
        _set(self._names, path, file)
        self._promised.append((self._done, path, file))

    def _sync_names(self, begun: int) -> None:
        for number, path, file in self._promised:
            if number <= begun:
                _set(self._platter, path, file)
        self._promised = [one for one in self._promised if one[0] > begun]


def _set(names: dict[str, _File], path: str, file: _File | None) -> None:
    if file is None:
        names.pop(path, None)
    else:
        names[path] = file


def _sync(file: _File, begun: int) -> None:
    for number, change in file.promised:
        if number <= begun:
            _put(file.platter, change.kind, change.at, change.data)
    file.promised = [one for one in file.promised if one[0] > begun]


def _found(file: _File, sector: int, share: float, draw: random.Random) -> bytes:
    content = bytearray(file.platter)
    for _, change in file.promised:
        for at, data in _torn(change, sector):
            if draw.random() < share:
                _put(content, change.kind, at, data)
    return bytes(content)


def _torn(change: Change, sector: int) -> Iterator[tuple[int, bytes]]:
    """The change in pieces that do not cross a sector's edge."""
    if change.kind in ("size", "room"):
        yield change.at, b""
    at, data = change.at, change.data
    while data:
        fits = sector - at % sector
        yield at, data[:fits]
        at, data = at + fits, data[fits:]


def _put(content: bytearray, kind: str, at: int, data: bytes) -> None:
    if kind == "size":
        del content[at:]
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(data)] = data


def lacks() -> str | None:
    """Why nothing can be recorded on this machine, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not look on ({tried.stderr.strip()})" if tried.returncode else None


async def record(command: Sequence[str], folder: Path, cwd: Path, log: Path) -> list[Change]:
    """Run it to its end; returns what it did to the files of `folder`, in order. Raises OSError when it failed."""
    words = log.with_suffix(".words")
    with words.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            "strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "1000000", "-e", f"trace={_CALLS}",
            "-o", str(log), *command, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if code:
        raise OSError(f"{command[0]} ended with {code}: {words.read_text(errors='replace')[-500:]}")
    return await asyncio.to_thread(changes, log, folder)


def changes(log: Path, folder: Path) -> list[Change]:
    """What strace wrote down, where it is about files of the folder and was done."""
    found: list[Change] = []
    begun: dict[str, tuple[int, str]] = {}
    within = f"{folder}/"
    with log.open(encoding="ascii") as lines:
        for line in lines:
            pid, rest = _LINE.fullmatch(line.rstrip("\n")).group("pid", "rest")  # type: ignore[union-attr]
            if rest.endswith(_ENDED):
                begun[pid] = len(found), rest.removesuffix(_ENDED)
                continue
            number = len(found)
            if _RESUMED.match(rest):
                number, first = begun.pop(pid)
                rest = first + _RESUMED.sub("", rest, count=1)
            call = _CALL.fullmatch(rest)
            if call and int(call["result"]) >= 0:
                change = _change(call["name"], call["arguments"], int(call["result"]), number)
                if change and (change.path.startswith(within) or change.path == str(folder)):
                    found.append(change)
    return found


def _change(name: str, arguments: str, result: int, begun: int) -> Change | None:
    if name in ("unlink", "unlinkat", "rename", "renameat", "renameat2", "openat"):
        paths = [_bytes(part) for part in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', arguments)]
        if name == "openat":
            return Change("make", paths[0].decode(), begun) if "O_CREAT" in arguments else None
        if name.startswith("unlink"):
            return Change("remove", paths[0].decode(), begun)
        return Change("move", paths[0].decode(), begun, data=paths[1])
    of = _FILE.match(arguments)
    if of is None or arguments.startswith("(deleted)", of.end()):  # a file that is gone with its program
        return None
    path, rest = _bytes(of[1]).decode(), arguments[of.end() :]
    match name:
        case "fsync" | "fdatasync":
            return Change("sync", path, begun)
        case "ftruncate":
            return Change("size", path, begun, at=int(rest.lstrip(", ")))
        case "fallocate":
            _, at, size = rest.removeprefix(", ").split(", ")
            return Change("room", path, begun, at=int(at) + int(size))
        case "pwrite64":
            data, _, at = rest.removeprefix(', "').rpartition('", ')
            return Change("write", path, begun, at=int(at.split(", ")[1]), data=_bytes(data)[:result])
    if Path(path).name != SAID:
        return None
    data = rest.removeprefix(', "').rpartition('", ')[0]
    return Change("say", path, begun, data=_bytes(data)[:result])


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
