"""A full disk stops what comes and not what goes."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gateway.spool.reserve import CHUNK_PAGES, LOG_BYTES, PAGE_BYTES
from gateway.spool.store import Spool
from tests.gateway.spool.test_store import heard, values
from vitals.errors import StoreError


class FullDisk:
    """From `fills` to `has_room` the disk sets nothing aside any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._full = False
        self._real = os.posix_fallocate
        monkeypatch.setattr("gateway.spool.reserve.os.posix_fallocate", self._fallocate)

    def fills(self) -> None:
        self._full = True

    def has_room(self) -> None:
        self._full = False

    def _fallocate(self, file: int, at: int, size: int) -> None:
        if self._full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._real(file, at, size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


async def fill(spool: Spool) -> tuple[int, str]:
    """Put until it refuses; returns how many rows were kept, and what it said."""
    for kept in range(0, 1_000_000, 500):
        try:
            await spool.put([heard(kept + offset) for offset in range(500)])
        except StoreError as error:
            return kept, str(error)
    raise AssertionError("it never refuses")


async def test_on_a_full_disk_rows_are_refused_and_what_the_server_has_is_deleted_and_gives_its_place(
    tmp_path: Path, disk: FullDisk
) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    await spool.put([heard(1)])
    disk.fills()
    size = (tmp_path / "spool.sqlite").stat().st_size
    spool.release([(1, 1)])
    kept, refused = await fill(spool)
    assert "the disk of the spool" in refused
    assert "make room on it" in refused
    assert spool.full
    assert await values(spool) == list(range(kept))
    for turn in range(20):
        first = await spool.take(0, kept)
        spool.release([(first[0].seq, first[-1].seq)])
        await spool.put([heard(turn + offset) for offset in range(kept)])
        assert not spool.full
    assert (tmp_path / "spool.sqlite").stat().st_size <= size, "not a byte was taken from the disk"
    assert (tmp_path / "spool.sqlite-wal").stat().st_size == LOG_BYTES
    await spool.close()


async def test_when_the_disk_has_room_again_the_spool_grows(tmp_path: Path, disk: FullDisk) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    await spool.put([heard(1)])
    disk.fills()
    await fill(spool)
    disk.has_room()
    await spool.put([heard(2)] * 5_000)
    assert not spool.full
    assert (tmp_path / "spool.sqlite").stat().st_size > CHUNK_PAGES * PAGE_BYTES
    await spool.close()


async def test_one_put_may_need_more_than_one_step_and_an_old_spool_is_taken_over(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    await asyncio.gather(*(spool.put([heard(n)] * 10_000) for n in range(3)))
    await spool.close()
    again = await Spool.open(tmp_path / "spool.sqlite")
    assert again.status.queued == 30_000
    await again.put([heard(7)] * 10_000)
    assert again.status.queued == 40_000
    await again.close()


async def test_a_release_that_could_not_be_written_is_made_up_for_by_the_next(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put([heard(1), heard(2), heard(3)])
    with monkeypatch.context() as broken:
        broken.setattr(spool._file, "_written", lambda *_: StoreError("the disk is full", "make room"))
        spool.release([(1, 1)])
        await spool.flushed()
    assert await values(spool) == [1, 2, 3]
    spool.release([(2, 2)])
    await spool.flushed()
    assert await values(spool) == [3]
