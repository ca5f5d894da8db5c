"""The promise of the dispenser's log, under any order of loss, doubling, restarts and cuts.

A small dispenser, a bad line and a gateway's disk are played against the driver. At each moment: what is acknowledged
is on disk or was overwritten before anyone could read it. At the end, on a good line: everything else is on disk.
"""

import struct

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drivers._cobs import Frames, frame
from drivers.contract import Bookmark, Rx, Tx
from drivers.hv_dispenser import Dispenser
from vitals.events import Event, Fault

START_S = 1_795_248_000
LOG_ID = 0x9F3C0001
MEMORY = 12
FATES = st.sampled_from(("whole", "whole", "whole", "lost", "damaged", "twice"))


class Device:
    """The protocol's text as a machine: a log, and answers to requests. Frames to the gateway gather in `sent`."""

    def __init__(self) -> None:
        self.entries: dict[int, bytes] = {}
        self.newest = 0
        self.released = 0
        self.overwritten: set[int] = set()
        self.boot_id = 1
        self.sent: list[bytes] = []
        self._line = Frames()

    @property
    def oldest(self) -> int:
        return min(self.entries, default=self.newest + 1)

    def happen(self, kind: int) -> None:
        """A new entry, told at once; with the memory full, the oldest goes."""
        self.newest += 1
        fields = (self.newest, self.boot_id, START_S, 1000, kind, 1, 7, 1, 0, 0)
        self.entries[self.newest] = struct.pack("<IIIIBBHBBh", *fields)
        if len(self.entries) > MEMORY:
            self.overwritten.add(self.oldest)
            del self.entries[self.oldest]
        self._tell(0x82, 0, self.entries[self.newest])

    def restart(self) -> None:
        self.boot_id += 1
        self.cut()
        self.happen(19)

    def cut(self) -> None:
        """The line is gone, with what was on it."""
        self.sent.clear()
        self._line = Frames()

    def beat(self) -> None:
        self._tell(0x87, 0, struct.pack("<IIB", 1000, self.newest, 80))

    def hear(self, data: bytes) -> None:
        for payload in self._line.feed(data):
            if isinstance(payload, bytes):
                self._answer(payload[0], payload[1], payload[2:])

    def _answer(self, kind: int, tag: int, body: bytes) -> None:
        if kind == 0x01:
            numbers = (1, LOG_ID, self.boot_id, self.oldest, self.newest, START_S, 1000, 80, 0)
            self._tell(0x81, tag, struct.pack("<BIIIIIIBB", *numbers))
        elif kind == 0x02:
            (first,) = struct.unpack("<I", body)
            for seq in sorted(self.entries):
                if seq >= first:
                    self._tell(0x82, tag, self.entries[seq])
            self._tell(0x85, tag, struct.pack("<I", self.newest + 1))
        elif kind == 0x03:
            log_id, seq = struct.unpack("<II", body)
            assert log_id == LOG_ID
            assert seq <= self.newest
            self.released = max(self.released, seq)
            self.entries = {one: entry for one, entry in self.entries.items() if one > seq}
            self._tell(0x83, tag, struct.pack("<I", seq))

    def _tell(self, kind: int, tag: int, body: bytes) -> None:
        self.sent.append(frame(bytes((kind, tag)) + body))


class Gateway:
    """A session as the contract has it: what comes is stored by and by, and what waits for that waits in order."""

    def __init__(self) -> None:
        self.disk: dict[str, Event] = {}
        self.bookmark = ""
        self.sent: list[bytes] = []
        self.connect()

    def connect(self) -> None:
        """Anew, with what the disk has; what was not stored is gone."""
        self.driver = Dispenser(self.bookmark)
        self.waiting: list[Event | Bookmark | Tx] = []
        self.sent = [tx.data for tx in self.driver.hello(START_S * 10**9)]

    def hello(self) -> None:
        self.sent += [tx.data for tx in self.driver.hello(START_S * 10**9)]

    def hear(self, data: bytes) -> None:
        for out in self.driver.feed(Rx("serial", data, START_S * 10**9)):
            if isinstance(out, Tx):
                assert out.after_stored or not releases(out)
                held = out.after_stored or any(isinstance(one, Tx) for one in self.waiting)
                self.waiting.append(out) if held else self.sent.append(out.data)
            elif isinstance(out, Event | Bookmark):
                self.waiting.append(out)
            else:
                assert isinstance(out, Fault) or out.channel == "battery"

    def store(self) -> None:
        for out in self.waiting:
            match out:
                case Event():
                    assert out.record is not None
                    before = self.disk.setdefault(out.record, out)
                    assert msgspec.structs.replace(before, t_ns=out.t_ns) == out
                case Bookmark(text):
                    self.bookmark = text
                case Tx():
                    self.sent.append(out.data)
        self.waiting.clear()


def releases(tx: Tx) -> bool:
    return any(isinstance(payload, bytes) and payload[0] == 0x03 for payload in Frames().feed(tx.data))


class BadDays(RuleBasedStateMachine):
    @initialize(before=st.integers(0, 20))
    def begin(self, before: int) -> None:
        self.device = Device()
        for _ in range(before):
            self.device.happen(1)
        self.device.cut()
        self.gateway = Gateway()

    @rule(kind=st.sampled_from((1, 3, 5, 20, 99)))
    def something_happens(self, kind: int) -> None:
        self.device.happen(kind)

    @rule()
    def the_device_restarts(self) -> None:
        self.device.restart()

    @rule()
    def the_heart_beats(self) -> None:
        self.device.beat()

    @rule()
    def nobody_answered_so_hello_again(self) -> None:
        self.gateway.hello()

    @rule()
    def the_disk_is_written(self) -> None:
        self.gateway.store()

    @rule(gateway_dies=st.booleans())
    def the_line_is_cut(self, gateway_dies: bool) -> None:
        if not gateway_dies:
            self.gateway.store()
        self.device.cut()
        self.gateway.connect()

    @precondition(lambda self: self.device.sent)
    @rule(fates=st.lists(FATES, min_size=1, max_size=15))
    def frames_reach_the_gateway(self, fates: list[str]) -> None:
        for fate in fates:
            carry(self.device.sent, self.gateway.hear, fate)

    @precondition(lambda self: self.gateway.sent)
    @rule(fates=st.lists(FATES, min_size=1, max_size=5))
    def frames_reach_the_device(self, fates: list[str]) -> None:
        for fate in fates:
            carry(self.gateway.sent, self.device.hear, fate)

    @invariant()
    def what_is_released_is_on_disk(self) -> None:
        for seq in range(1, self.device.released + 1):
            assert self.on_disk(seq) or seq in self.device.overwritten, f"entry {seq} is lost"

    def on_disk(self, seq: int) -> bool:
        return f"{LOG_ID:08x}:{seq}" in self.gateway.disk

    def teardown(self) -> None:
        """The line is good again and stays so; heartbeats are all the help there is."""
        if not hasattr(self, "device"):
            return
        for _ in range(8):
            self.device.beat()
            for _ in range(500):
                carry(self.device.sent, self.gateway.hear, "whole")
                carry(self.gateway.sent, self.device.hear, "whole")
                self.gateway.store()
        assert not self.device.sent, "they never stop talking"
        assert not self.gateway.sent, "they never stop talking"
        for seq in range(1, self.device.newest + 1):
            assert self.on_disk(seq) or seq in self.device.overwritten, f"entry {seq} was never read"
        assert not self.device.entries, "not all was released"


def carry(line: list[bytes], hear: object, fate: str) -> None:
    """One frame of the line, as fate will have it."""
    if not line:
        return
    data = line.pop(0)
    assert callable(hear)
    if fate == "damaged":
        hear(data[:2] + bytes((data[2] ^ 0x40,)) + data[3:])
    elif fate != "lost":
        hear(data)
        if fate == "twice":
            hear(data)


BadDays.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBadDays = BadDays.TestCase
