"""Only what was sent now is a sign of life now: recordings, late messages, and homes that come back.

The hub here has a real seal, and says of the server's answers what the uplink says.
"""

import pytest

from gateway.uplink.answered import Answered
from server.fleet.life import AHEAD_S, Sign, sign
from server.fleet.seals import gateway_keys, give_key
from server.fleet.store import heard, pulses
from server.identity.store import set_revoked
from server.readings import journal
from tests.server.conftest import START_NS, Town, spo2
from tests.server.test_fleet import alarms, gateway
from vitals.clock import NS
from vitals.seal import Key, unseal
from vitals.wire import Ack, Batch, Health, Lane, Row, decode, encode, up

SECRET = bytes(range(32))
SEAL_BYTES = 33
BOOT_NS = START_NS - 3600 * NS
Message = tuple[str, bytes]


@pytest.mark.parametrize(("heard_ns", "since_ns", "expected"), [
    (990, 4, Sign(994, 994)),
    (990, 10, Sign(1000, 1000)),
    (990, 12, Sign(1000, 1002)),
    (990 + AHEAD_S * NS, 10, Sign(1000, round(1000 + AHEAD_S * NS))),
    (991 + AHEAD_S * NS, 10, None),
    (990, -1, None),
    (0, 1000, None),
    (-5, 1000, None),
])  # fmt: skip
def test_it_was_sent_so_long_after_the_answer_it_speaks_of(
    heard_ns: float, since_ns: int, expected: Sign | None
) -> None:
    assert sign(int(heard_ns), since_ns, 1000, told_ns=None, sealed=True) == expected


def test_how_long_ago_is_counted_on_the_wall_and_the_clock_may_be_quicker() -> None:
    assert sign(1000, 2, 2000, 60.0, told_ns=None, sealed=True) == Sign(1120, 1120)


@pytest.mark.parametrize(("told_ns", "sealed", "expected"), [
    (None, True, Sign(1000)), (None, False, Sign(1000)), (900, False, Sign(1000)), (900, True, None),
])  # fmt: skip
def test_who_is_too_old_to_say_is_believed_until_it_has_said_it_under_its_seal(
    told_ns: int | None, sealed: bool, expected: Sign | None
) -> None:
    assert sign(None, 0, 1000, told_ns=told_ns, sealed=sealed) == expected


class Hub:
    """Sends, keeps a recording of it, and hears what it is answered while it can be reached."""

    def __init__(self, town: Town, name: str = "gw-1") -> None:
        self.town, self.name = town, name
        self._answered = Answered()
        self._seq = 0
        self.key = Key(SECRET)
        self.recorded: list[Message] = []
        with town.server.db.write() as tx:
            give_key(tx, name, SECRET, START_NS)

    def restart(self) -> None:
        self._answered = Answered()

    def heartbeat(self, *notes: str) -> Message:
        heard_ns, since_ns = self._answered.says(self._steady_ns())
        told = Health(
            self.name, "e", self.town.clock.now_ns(), "0.1", 0, notes=notes, heard_ns=heard_ns, since_ns=since_ns
        )
        return self._sealed("health", encode(told))

    def batch(self, lane: Lane = Lane.OBS) -> Message:
        heard_ns, since_ns = self._answered.says(self._steady_ns())
        now_ns = self.town.clock.now_ns()
        rows = (Row(self._seq, "oximeter", now_ns, spo2(96, now_ns)),)
        self._seq += 1
        return self._sealed(lane, encode(Batch(self.name, "e", now_ns, rows, heard_ns=heard_ns, since_ns=since_ns)))

    def old_heartbeat(self) -> Message:
        """As software sends it that knows nothing of answers."""
        return self._sealed("health", encode(Health(self.name, "e", self.town.clock.now_ns(), "0.1", 0)))

    def send(self, *messages: Message) -> list[tuple[tuple[int, int], ...]]:
        """Returns the ranges of rows of each answer."""
        ranges = []
        for message in messages:
            for topic, payload in self.town.server.receive(*message):
                answer = decode(unseal(topic, payload, [self.key]).body, Ack)
                self._answered.heard(answer.server_ns, self._steady_ns())
                ranges.append(answer.ranges)
        return ranges

    def live(self, seconds: int) -> None:
        """Beats every 20 s, with a reading in between."""
        for _ in range(seconds // 20):
            self.send(self.heartbeat(), self.batch())
            self.town.tick(seconds=20)

    def _steady_ns(self) -> int:
        return self.town.clock.now_ns() - BOOT_NS

    def _sealed(self, what: str, body: bytes) -> Message:
        topic = up(self.name, what)
        self.recorded.append((topic, self.key.seal(topic, body)))
        return self.recorded[-1]


@pytest.fixture
def hub(town: Town) -> Hub:
    return Hub(town)


def played(town: Town, recording: list[Message]) -> None:
    """Somebody who can write under the gateway's name plays what he has recorded."""
    for message in recording:
        town.server.receive(*message)


def test_a_recording_hides_no_silence_and_ends_no_alarm(town: Town, hub: Hub) -> None:
    hub.live(300)
    assert gateway(town).online
    for _ in range(3):
        town.tick(seconds=15)
        played(town, hub.recorded)
    assert not gateway(town).online, "45 s after the last that it sent itself"
    for _ in range(3):
        town.tick(seconds=15)
        played(town, hub.recorded)
    assert alarms(town)["eva technical"] == ["gateway_silent"]
    for _ in range(40):
        town.tick(minutes=1)
        played(town, hub.recorded[-2:])
    assert alarms(town)["eva technical"] == ["gateway_silent"]
    hub.live(600)
    assert "eva technical" not in alarms(town), "it is really back"


def test_what_is_played_again_is_acknowledged_and_stored_once_and_tells_nothing_old(town: Town, hub: Hub) -> None:
    hub.live(40)
    old = hub.heartbeat("the spool is nearly full")
    hub.send(old)
    town.tick(seconds=20)
    hub.send(hub.heartbeat())
    assert hub.send(*hub.recorded) == [(), ((0, 0),), (), ((1, 1),), (), ()]
    assert town.values("eva") == [96, 96]
    assert gateway(town).notes == []


def test_messages_that_were_held_back_are_signs_of_life_of_when_they_were_sent(town: Town, hub: Hub) -> None:
    """Nobody has seen them before: it is not enough that each is newer than the one before."""
    hub.live(60)
    held = []
    for _ in range(10):
        held.append(hub.heartbeat())
        town.tick(seconds=1)
    for message in held * 3:
        town.tick(seconds=20)
        town.server.receive(*message)
    assert not gateway(town).online
    assert alarms(town)["eva technical"] == ["gateway_silent"]


def test_a_home_that_comes_back_after_hours_is_alive_with_its_first_word(town: Town, hub: Hub) -> None:
    hub.live(60)
    town.tick(hours=3)
    assert alarms(town)["eva technical"] == ["gateway_silent"]
    back_ns = town.clock.now_ns()
    town.server.receive(*hub.batch(Lane.BACKLOG))
    assert (gateway(town).online, gateway(town).last_heard_ns) == (True, back_ns)


def test_a_hub_that_was_started_again_is_believed_from_its_second_heartbeat_on(town: Town, hub: Hub) -> None:
    hub.live(60)
    town.tick(minutes=5)
    hub.restart()
    hub.send(hub.heartbeat())
    assert not gateway(town).online, "anybody may have recorded how it started the last time"
    hub.send(hub.heartbeat())
    assert gateway(town).online


def test_leaving_it_away_is_no_way_back_but_to_be_claimed_anew_is(town: Town, hub: Hub) -> None:
    old = hub.old_heartbeat()
    town.server.receive(*old)
    assert gateway(town).online, "so far nobody knew that it could"
    hub.live(60)
    town.tick(minutes=1)
    assert not gateway(town).online
    town.server.receive(*old)
    assert not gateway(town).online
    with town.server.db.write() as tx:
        set_revoked(tx, "gw-1", None)
    town.server.receive(*old)
    assert gateway(town).online


def test_a_late_heartbeat_is_no_clock_that_is_behind(town: Town, hub: Hub) -> None:
    hub.live(400)
    late = hub.heartbeat()
    town.tick(seconds=40)
    hub.send(late)
    with town.server.db.read() as tx:
        (pulse,) = pulses(tx, START_NS, ["eva"])
    assert (pulse.last_heard_ns, pulse.ahead_ns) == (town.clock.now_ns() - 40 * NS, 0)


def test_after_our_clock_was_set_back_what_is_known_of_the_future_is_no_measure(town: Town) -> None:
    future_ns = START_NS + 3600 * NS
    assert Sign(START_NS, START_NS).newer(future_ns, START_NS)
    assert not Sign(START_NS, START_NS).newer(START_NS + NS, START_NS)
    with town.server.db.write() as tx:
        heard(tx, {"gw-1": future_ns}, future_ns, 45)
        assert heard(tx, {"gw-1": START_NS}, START_NS, 45) == set(), "it was shown as here all the time"
    assert gateway(town).last_heard_ns == START_NS


BOOT = "0123456789abcdef"


class Behind(Hub):
    """A hub whose clock shows `off_s` less than the true time, and that tells of a steady clock."""

    def __init__(self, town: Town, off_s: float, name: str = "gw-1") -> None:
        super().__init__(town, name)
        self._off_ns = round(off_s * NS)

    def taken(self, value: float) -> Message:
        """A batch with a reading of now, by the clock as it is."""
        heard_ns, since_ns = self._answered.says(self._steady_ns())
        true_ns, mono_ns = self.town.clock.now_ns(), self._steady_ns()
        told_ns = true_ns - self._off_ns
        rows = (Row(self._seq, "oximeter", told_ns, spo2(value, told_ns), mono_ns),)
        self._seq += 1
        batch = Batch(
            self.name, "e", told_ns, rows, boot=BOOT, mono_ns=mono_ns, boots=((0, BOOT),), heard_ns=heard_ns,
            since_ns=since_ns,
        )  # fmt: skip
        return self._sealed(Lane.OBS, encode(batch))


def filed(town: Town) -> list[tuple[float, int, int]]:
    """Value, when it was measured in seconds after the start, and by how much that was moved."""
    with town.server.db.read() as tx:
        found = [one for entry in journal.read(tx, 0, 1_000) for one in entry.readings]
    return [(one.value, (one.t_ns - START_NS) // NS, one.shift_ns // NS) for one in found]


@pytest.mark.parametrize("off_s", [30, 3600, START_NS // NS - 77], ids=["30 s", "an hour", "in 1970"])
def test_the_times_of_a_hub_whose_clock_is_behind_are_put_right_by_the_answer_it_heard(town: Town, off_s: int) -> None:
    hub = Behind(town, off_s)
    hub.send(hub.heartbeat())
    town.tick(seconds=20)
    late = hub.taken(95)
    town.tick(seconds=5)
    hub.send(hub.taken(96))
    town.tick(hours=1)
    hub.send(late)
    hub.send(late)
    assert filed(town) == [(96, 25, off_s), (95, 20, off_s)], (
        "also of a message that waited for an hour, and came twice"
    )
    assert town.aside() == []


def test_a_right_clock_is_let_be_however_long_its_message_waited(town: Town) -> None:
    hub = Behind(town, 0)
    hub.send(hub.heartbeat())
    town.tick(seconds=20)
    late = hub.taken(95)
    town.tick(hours=2)
    hub.send(late)
    assert filed(town) == [(95, 20, 0)]


def test_whose_answer_proves_nothing_is_taken_as_told(town: Town) -> None:
    hub = Behind(town, 3600)
    hub.send(hub.taken(94))
    assert filed(town) == [(94, -3600, 0)], "nothing was heard yet"
    with town.server.db.write() as tx:
        tx.execute(gateway_keys.delete())
    for message in (hub.heartbeat(), hub.taken(95)):
        town.server.receive(message[0], message[1][SEAL_BYTES:])
    assert filed(town)[1:] == [(95, -3600, 0)], "anybody could have said so"
