"""What is on the platter and what is only promised: the power cut's proof rests on telling the two apart."""

import random
from pathlib import Path

from tests.faults.disk import Change, Disk, changes

FOLDER = Path("/data")
FILE = "/data/a"


def found(disk: Disk) -> list[dict[str, bytes]]:
    """Everything that may be found, as far as a few hundred cuts find it."""
    disks = (disk.after_cut(random.Random(seed)) for seed in range(300))
    return [dict(one) for one in {tuple(sorted(files.items())) for files in disks}]


def made(*more: Change) -> Disk:
    """A disk with the file and its name on the platter, and these changes."""
    disk = Disk(FOLDER)
    for change in (Change("make", FILE, 0), Change("sync", str(FOLDER), 1), *more):
        disk.do(change)
    return disk


def test_what_was_synchronised_is_there_and_what_was_not_may_be() -> None:
    synced = (Change("write", FILE, 2, data=b"old"), Change("sync", FILE, 3))
    assert found(made(*synced)) == [{FILE: b"old"}]
    either = found(made(*synced, Change("write", FILE, 4, data=b"new")))
    assert sorted(files[FILE] for files in either) == [b"new", b"old"]


def test_a_write_is_torn_at_sectors_and_a_later_one_may_be_there_alone() -> None:
    disk = made(Change("write", FILE, 2, data=b"a" * 1024), Change("write", FILE, 3, at=1024, data=b"b"))
    contents = {files[FILE] for files in found(disk)}
    assert bytes(512) + b"a" * 512 in contents
    assert bytes(1024) + b"b" in contents
    assert all(set(content[at : at + 512]) <= {0} or set(content[at : at + 512]) <= {97} for content in contents
               for at in (0, 512))  # fmt: skip


def test_a_file_that_was_made_is_gone_until_its_folder_is_synchronised() -> None:
    disk = Disk(FOLDER)
    for change in (Change("make", FILE, 0), Change("write", FILE, 1, data=b"x"), Change("sync", FILE, 2)):
        disk.do(change)
    assert {} in found(disk)
    disk.do(Change("sync", str(FOLDER), 3))
    assert found(disk) == [{FILE: b"x"}]


def test_a_file_that_was_removed_may_come_back() -> None:
    disk = made(Change("remove", FILE, 2))
    assert sorted(map(len, found(disk))) == [0, 1]
    disk.do(Change("sync", str(FOLDER), 3))
    assert found(disk) == [{}]


def test_a_synchronisation_does_not_cover_what_came_after_it_was_asked_for() -> None:
    disk = made(Change("write", FILE, 2, data=b"x"), Change("sync", FILE, 2))
    assert {FILE: b""} in found(disk)


def test_a_file_that_was_cut_may_be_as_long_as_before() -> None:
    disk = made(Change("write", FILE, 2, data=b"xyz"), Change("sync", FILE, 3), Change("size", FILE, 4, at=1))
    assert sorted(files[FILE] for files in found(disk)) == [b"x", b"xyz"]


def test_room_that_was_taken_reads_as_zeros_and_cuts_nothing_off() -> None:
    disk = made(Change("write", FILE, 2, data=b"xyz"), Change("sync", FILE, 3), Change("room", FILE, 4, at=2))
    assert found(disk) == [{FILE: b"xyz"}]
    disk.do(Change("room", FILE, 5, at=4))
    assert sorted(files[FILE] for files in found(disk)) == [b"xyz", b"xyz\0"]


def hexed(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def test_what_strace_wrote_is_read_across_threads_and_failures(tmp_path: Path) -> None:
    a, said, other = hexed(FILE), hexed("/data/said"), hexed("/etc/x")
    (tmp_path / "log").write_text(
        f'7  openat(AT_FDCWD<{other}>, "{a}", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 4<{a}>\n'
        f'7  openat(AT_FDCWD<{other}>, "{a}", O_RDWR|O_CREAT|O_EXCL, 0644) = -1 EEXIST (File exists)\n'
        f'7  pwrite64(4<{a}>, "{hexed("abc")}", 3, 4096 <unfinished ...>\n'
        f"8  fdatasync(4<{a}> <unfinished ...>\n"
        f"7  <... pwrite64 resumed>) = 2\n"
        f"8  <... fdatasync resumed>) = 0\n"
        f'8  write(5<{said}>, "{hexed("put 1")}", 5) = 5\n'
        f'8  write(6<{other}>, "{hexed("put 1")}", 5) = 5\n'
        f'8  pwrite64(6<{other}>(deleted), "{hexed("x")}", 1, 0) = 1\n'
        f"8  ftruncate(4<{a}>, 8) = 0\n"
        f"8  fallocate(4<{a}>, 0, 4, 12) = 0\n"
        f'8  unlink("{a}") = 0\n'
        f"8  +++ exited with 0 +++\n",
        encoding="ascii",
    )
    assert changes(tmp_path / "log", FOLDER) == [
        Change("make", FILE, 0),
        Change("write", FILE, 1, at=4096, data=b"ab"),
        Change("sync", FILE, 1),
        Change("say", "/data/said", 3, data=b"put 1"),
        Change("size", FILE, 4, at=8),
        Change("room", FILE, 5, at=16),
        Change("remove", FILE, 6),
    ]
