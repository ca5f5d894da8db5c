"""Several messages of one way are on their way at once, and nothing is lost, doubled or told in the wrong order."""

import threading
from collections import Counter

import pytest
import sqlalchemy as sa

from server.notify import outbox
from server.notify.config import Gateway, Modem, Notify
from server.notify.delivery import BACKOFF_S, Post
from server.notify.lane import Lane
from server.notify.sender import Receipt, SendError
from server.oncall.model import Person
from tests.waiting import until
from vitals.errors import LinkError

LONG_S = 20.0


class Provider:
    """It keeps each message until it is let go, by its key; `held` False: it answers at once."""

    def __init__(self) -> None:
        self.held = True
        self.came: list[str] = []
        self.most = self._inside = 0
        self._let_go: Counter[str] = Counter()
        self._news = threading.Condition()

    def send(self, message):
        with self._news:
            self.came.append(message.dedupe)
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._news.notify_all()
            assert self._news.wait_for(lambda: not self.held or self._let_go[message.dedupe], LONG_S)
            self._let_go[message.dedupe] -= 1
            self._inside -= 1
        return Receipt(message.dedupe)

    def has(self, count: int) -> bool:
        with self._news:
            return self._news.wait_for(lambda: len(self.came) >= count, LONG_S)

    def let_go(self, dedupe: str | None = None) -> None:
        """That one, or all there are and will be."""
        with self._news:
            if dedupe is None:
                self.held = False
            else:
                self._let_go[dedupe] += 1
            self._news.notify_all()


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.let_go()


@pytest.fixture
def told():
    return []


@pytest.fixture
def lane(town, provider, told):
    made = Lane("sms", 3, Post(town.server.db, {"sms": provider}), town.clock, told.append)
    yield made
    provider.let_go()
    assert made.rest(LONG_S)


def write(town, alarm_id, who="kari", severity=1, telling="0.0"):
    """A message about an alarm to one person; returns its key."""
    person = Person(who, who, "nurse", "+4790000101")
    with town.server.db.write() as tx:
        outbox.queue(
            tx, alarm_id=alarm_id, patient_id=f"p-{alarm_id}", severity=severity, telling=telling, person=person,
            text="RØD", now_ns=town.clock.now_ns(),
        )  # fmt: skip
    return f"{alarm_id}/{telling}/{who}/sms"


class Turning:
    """A turn of the lane in a thread of its own, as an engine takes it."""

    def __init__(self, lane) -> None:
        self._thread = threading.Thread(target=lane.turn)
        self._thread.start()

    def ended(self) -> None:
        self._thread.join(LONG_S)
        assert not self._thread.is_alive()


def settled(town):
    return set(town.states().values()) <= {"sent", "failed", "withdrawn"}


def test_so_many_are_on_their_way_at_once_worst_first_then_oldest(town, lane, provider, told):
    mild = [write(town, n) for n in (1, 2, 3)]
    grave = [write(town, n, severity=3) for n in (4, 5)]
    turn = Turning(lane)
    assert provider.has(3)
    assert sorted(provider.came) == sorted([*grave, mild[0]])
    provider.let_go(grave[1])
    assert provider.has(4)
    assert provider.came[3] == mild[1]
    provider.let_go()
    turn.ended()
    until(lambda: settled(town))
    assert (provider.most, sorted(told)) == (3, [f"p-{n}" for n in (1, 2, 3, 4, 5)])


def test_one_that_gets_no_answer_holds_up_no_other_and_goes_out_once(town, lane, provider):
    slow, quick = write(town, 1), write(town, 2)
    lane.turn()  # it ends although nothing was answered
    assert provider.has(2)
    provider.let_go(quick)
    until(lambda: town.states()[quick] == "sent")
    town.clock.advance(seconds=BACKOFF_S * 2)  # the next try of the slow one is due, and it is still on its way
    write(town, 3)
    lane.turn()
    assert provider.has(3)
    assert Counter(provider.came)[slow] == 1
    assert town.states()[slow] == "queued"


def test_what_is_newer_about_an_alarm_never_overtakes_what_is_on_its_way_to_the_same_person(town, lane, provider):
    first, others = write(town, 1), write(town, 1, who="per")
    lane.turn()
    assert provider.has(2)
    provider.let_go(others)
    until(lambda: town.states()[others] == "sent")
    second = write(town, 1, telling="0.1", severity=3)
    apart = write(town, 2)
    lane.turn()
    assert provider.has(3)
    assert provider.came[2:] == [apart], "another alarm of hers need not wait"
    provider.let_go(first)
    until(lambda: town.states()[first] == "sent")
    lane.turn()
    assert provider.has(4)
    assert provider.came[3] == second


def test_something_worse_that_comes_while_all_are_busy_goes_before_what_waits(town, lane, provider):
    keys = [write(town, n) for n in range(1, 6)]
    turn = Turning(lane)
    assert provider.has(3)
    town.clock.advance(seconds=1)
    worse = write(town, 9, severity=3)
    provider.let_go(keys[0])
    assert provider.has(4)
    assert provider.came[3] == worse
    provider.let_go()
    turn.ended()


def test_a_server_that_dies_with_messages_on_their_way_sends_each_again_with_its_own_key(town, lane, provider, told):
    keys = [write(town, n) for n in (1, 2)]
    lane.turn()
    assert provider.has(2)
    after = Provider()
    after.let_go()
    reborn = Lane("sms", 3, Post(town.server.db, {"sms": after}), town.clock, told.append)
    reborn.turn()
    assert after.came == [], "their next try is not due"
    town.clock.advance(seconds=BACKOFF_S + 1)
    reborn.turn()
    assert reborn.rest(LONG_S)
    assert sorted(after.came) == keys
    assert settled(town)


def test_one_that_cannot_be_written_down_is_said_and_goes_again(town, lane, provider):
    [key] = [write(town, 1)]
    lane.turn()
    assert provider.has(1)

    def full(*_):
        raise sa.exc.OperationalError("UPDATE", {}, Exception("disk is full"))

    sa.event.listen(town.server.db.engine, "before_cursor_execute", full)
    provider.let_go(key)
    assert lane.rest(LONG_S)
    sa.event.remove(town.server.db.engine, "before_cursor_execute", full)
    with pytest.raises(sa.exc.OperationalError):
        lane.turn()
    provider.let_go()
    town.clock.advance(seconds=BACKOFF_S + 1)
    lane.turn()
    until(lambda: settled(town))
    assert provider.came == [key, key]


def test_one_that_never_ends_is_said(town, provider, told):
    lane = Lane("sms", 3, Post(town.server.db, {"sms": provider}), town.clock, told.append, stuck_s=0.2)
    write(town, 1)
    lane.turn()
    assert provider.has(1)
    until(lambda: _complaint(lane))
    provider.let_go()
    assert lane.rest(LONG_S)


def _complaint(lane):
    try:
        lane.turn()
    except LinkError as error:
        return "on its way by sms" in error.text
    return False


def test_a_refusal_beside_others_costs_only_its_own_message(town, told):
    class Choosy:
        def send(self, message):
            if message.alarm_id == 2:
                raise SendError("no such number", "correct it", for_good=True)
            return Receipt("r")

    town.red("eva")
    town.red("odd")
    made = Lane("sms", 3, Post(town.server.db, {"sms": Choosy()}), town.clock, told.append)
    keys = [write(town, n, who="per", telling="9.9") for n in (1, 2)]
    made.turn()
    assert made.rest(LONG_S)
    assert [town.states()[key] for key in keys] == ["sent", "failed"]


def test_how_many_at_once_is_the_configurations_and_a_modem_takes_one_after_another():
    assert Notify(sms=Gateway("https://sms.example.no", together=8)).together("sms") == 8
    assert Notify(modem=Modem("/dev/ttyUSB0")).together("sms") == 1
    assert Notify().together("push") == 1
