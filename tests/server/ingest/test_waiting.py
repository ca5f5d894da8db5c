"""What was heard is stored in its order, an alarm before all else, and much of it is read before its turn."""

import threading
from concurrent.futures import Future

import pytest

from server.ingest.early import Section
from server.ingest.parcel import Message
from server.ingest.reader import Reader
from server.ingest.store import PORTION_BYTES
from server.ingest.waiting import GATHER_BYTES, Gathered, Heard, Waiting
from tests.waiting import until

SECTION = Section([], b"", ("ox",))


class Eyes(Reader):
    """Reads at once, or not at all."""

    def __init__(self, reads: bool = True) -> None:
        super().__init__()
        self.asked: list[list[bytes]] = []
        self._reads = reads

    def read(self, messages: list[Message]) -> "Future[list[Section]] | None":  # type: ignore[override]
        self.asked.append([payload[:2] for _, payload in messages])
        if not self._reads:
            return None
        future: Future[list[Section]] = Future()
        future.set_result([SECTION])
        return future


def put(waiting: Waiting, number: int, lane: str = "backlog", size: int = PORTION_BYTES // 2) -> None:
    waiting.put(Heard(number, 1, number, (f"hjemvakt/1/gw-1/up/{lane}", b"%02d" % number + bytes(size - 2))))


def numbers(gathered: Gathered) -> list[int]:
    return [one.number for one in gathered.heard]


def test_what_came_is_gathered_in_its_order_and_an_alarm_before_it() -> None:
    waiting = Waiting()
    for number in range(4):
        put(waiting, number, size=100)
    put(waiting, 4, "alarm", size=100)
    put(waiting, 5, size=100)
    assert numbers(waiting.gather(0)) == [4, 0, 1, 2, 3, 5]


def test_a_portion_is_read_early_as_soon_as_it_waits_and_the_rest_is_not() -> None:
    eyes = Eyes()
    waiting = Waiting(eyes)
    for number in range(5):
        put(waiting, number)
    gathered = waiting.gather(0)
    assert eyes.asked == [[b"00", b"01"], [b"02", b"03"]]
    assert numbers(gathered) == [0, 1, 2, 3, 4]
    assert [[payload[:2] for _, payload in one.messages] for one in gathered.early] == eyes.asked
    assert all(one.messages[0] is gathered.heard[2 * n].message for n, one in enumerate(gathered.early))


def test_little_is_nobodys_work_but_ones_own_and_what_cannot_be_read_early_waits_for_nothing() -> None:
    eyes = Eyes(reads=False)
    waiting = Waiting(eyes)
    put(waiting, 0, size=100)
    assert (waiting.gather(0).early, eyes.asked) == ([], [])
    put(waiting, 1)
    put(waiting, 2)
    gathered = waiting.gather(0)
    assert (numbers(gathered), gathered.early) == ([1, 2], [])


@pytest.mark.parametrize("eyes", [Eyes(), None])
def test_no_more_is_stored_at_once_than_takes_a_moment_and_the_rest_comes_next(eyes: Eyes | None) -> None:
    waiting = Waiting(eyes)
    count = 2 * GATHER_BYTES // PORTION_BYTES + 6
    for number in range(count):
        put(waiting, number)
    put(waiting, count, "alarm")
    first = waiting.gather(10)  # so much waits that nothing more is waited for
    second = waiting.gather(0)
    assert numbers(first)[0] == count
    assert numbers(first)[1:] + numbers(second) == list(range(count))
    assert sum(len(one.message[1]) for one in second.heard) < GATHER_BYTES


def test_whoever_waits_is_woken_by_a_message_and_by_the_end() -> None:
    waiting, found = Waiting(), list[Gathered]()
    listener = threading.Thread(target=lambda: found.extend([waiting.gather(0), waiting.gather(0)]))
    listener.start()
    put(waiting, 7)
    until(lambda: found or not listener.is_alive() or waiting._bytes == 0)
    waiting.close()
    listener.join(30)
    assert [numbers(one) for one in found] == [[7], []]
