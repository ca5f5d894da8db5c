"""Orders against the simulated firmware, with power, line and gateway failing at every point.

Whatever happens: no order is acted on twice. "Done" is said of what was done once, "refused" of what was never done and
never will be, and each order ends in one way only. When all is well again, each order has ended.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drivers._cobs import Frames
from drivers._dispenser_words import ORDER_STATE
from drivers.contract import Bookmark, Driver, Obedient, Order, Rx, Tx
from drivers.hv_dispenser import Dispenser as SerialDriver
from drivers.hv_dispenser_ble import CONTROL, STATUS
from drivers.hv_dispenser_ble import BleDispenser as BleDriver
from firmware_sim.body import Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery
from firmware_sim.devices._log import Log
from firmware_sim.devices.dispenser import Dispenser, Memory, State, Trouble
from firmware_sim.devices.dispenser_ble import EVENT, BleDispenser
from firmware_sim.scenario import Scenario
from vitals.clock import NS
from vitals.events import Event

START_NS = 1_795_248_000 * NS
BODY = Body(1, Scenario("calm"), START_NS)
FATES = st.sampled_from((*["whole"] * 6, "lost", "damaged", "twice", "later", "nameless"))
LONGEST_ACT_S = 10
KINDS = st.sampled_from(("dispense", "dispense", "lock", "unlock", "test"))


class PowerCut(Exception):
    """The device's, in the middle of something."""


class World:
    """What outlives the device's power: its memory, the time, and what its mechanism really did."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.now_ns = START_NS
        self.memory = Memory(Log(0x9F3C0001, capacity=40, page=8))
        self.acted: Counter[int] = Counter()
        self.acted_ns: dict[int, int] = {}
        self.erased = False
        self.steps_left: int | None = None
        self._make = make
        self.switch_on()

    def switch_on(self) -> None:
        """Again and again, if its power fails while it starts."""
        while True:
            try:
                self.device: Any = None
                self.device = self._make(
                    self.now_ns,
                    seed=1,
                    serial="D-1",
                    clock=DeviceClock(START_NS),
                    battery=Battery(START_NS, 80),
                    memory=self.memory,
                    trouble=Trouble(jam_ns=(START_NS + 3600 * NS,), jam_cleared_after_s=600),
                    step=self._on_step,
                )
            except PowerCut:
                self.now_ns += NS
            else:
                return

    def erase(self) -> None:
        """Somebody resets the device to how it left the factory."""
        self.memory = Memory(Log(self.memory.log.log_id + 1, capacity=40, page=8))
        self.erased = True
        self.switch_on()

    def _on_step(self, step: str) -> None:
        if step == "moved":
            self.acted[self.device.acts[-1]] += 1
            self.acted_ns[self.device.acts[-1]] = self.device.calendar_ns
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                self.steps_left = None
                raise PowerCut

    def live(self, act: Callable[[], list[Any]]) -> list[Any]:
        """What the device does, unless its power fails."""
        try:
            return act()
        except PowerCut:
            self.now_ns += NS
            self.switch_on()
            return []

    def passes(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS)
        self.live(lambda: self.device.update(self.now_ns, BODY.truth))


class Serial:
    """A line on which anything can be lost, damaged, doubled or late; it stays when the gateway dies."""

    driver = SerialDriver
    may_lose = True

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[tuple[str, bytes]] = []

    is_gone = False

    def opened(self) -> list[tuple[str, bytes]]:
        return []

    def write(self, pipe: str, data: bytes) -> None:
        device = self.world.device
        answers = self.world.live(lambda: list(device.receive(data, self.world.now_ns)))
        self.sent += [("serial", frame) for frame in answers]
        self.collect()

    def collect(self) -> None:
        self.sent += [("serial", frame) for frame in self.world.device.unasked()]

    def beat(self) -> None:
        self.sent.append(("serial", self.world.device.heartbeat()))


class Air:
    """A connection that delivers all, in order, or ends."""

    driver = BleDriver
    may_lose = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[tuple[str, bytes]] = []
        self.device: Any = None

    @property
    def is_gone(self) -> bool:
        """Whether the device had no power for a moment."""
        return self.device is not self.world.device

    def opened(self) -> list[tuple[str, bytes]]:
        self.device = self.world.device
        self.device.connected()
        for pipe in (EVENT, CONTROL, STATUS):
            self.device.subscribed(pipe, True)
        return [(STATUS, self.device.read(STATUS, self.world.now_ns))]

    def write(self, pipe: str, data: bytes) -> None:
        if not self.is_gone:
            self.world.live(lambda: [self.device.write(pipe, data, self.world.now_ns)])
            self.collect()

    def collect(self) -> None:
        while not self.is_gone and (send := self.device.next_send()) is not None:
            self.sent.append((send.pipe, send.data))
            self.device.confirmed(send)

    def beat(self) -> None:
        for _ in range(30 if not self.is_gone else 0):
            self.device.tick(self.world.now_ns, BODY.truth)
        self.collect()


class Given(msgspec.Struct):
    """An order as the gateway has it on disk."""

    order: Order
    given_ns: int = 0
    sent: bool = False
    outcomes: set[str] = msgspec.field(default_factory=set)


class Gateway:
    """A session as the contract has it: an order is on disk as sent before it goes out, and goes out once."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.given: dict[int, Given] = {}
        self.bookmark = ""
        self.to_device: list[tuple[str, bytes]] = []
        self.connect()

    def connect(self) -> None:
        """Anew, with what the disk has; what was not stored is gone."""
        self.driver: Driver = self.link.driver(self.bookmark)
        assert isinstance(self.driver, Obedient)
        self.waiting: list[Event | Bookmark | Tx] = []
        self.handed: set[int] = set()
        self.heard = False
        self.to_device = []
        self.link.sent = []
        for pipe, data in self.link.opened():
            self.hear(pipe, data)
        self.store()
        self.greet()

    def greet(self) -> None:
        self.send(self.driver.hello(self.link.world.now_ns))

    def send(self, txs: Any) -> None:
        self.to_device += [(tx.pipe, tx.data) for tx in txs]

    def hear(self, pipe: str, data: bytes) -> None:
        for out in self.driver.feed(Rx(pipe, data, self.link.world.now_ns)):
            if isinstance(out, Tx) and not (out.after_stored or any(isinstance(one, Tx) for one in self.waiting)):
                self.send([out])
            elif isinstance(out, Event | Bookmark | Tx):
                self.waiting.append(out)
                self.heard = True

    def store(self) -> None:
        """The disk, then what waited for it, then the orders."""
        waited, self.waiting = self.waiting, []
        for out in waited:
            if isinstance(out, Bookmark):
                self.bookmark = out.text
            elif isinstance(out, Event) and out.kind.startswith("order."):
                order_id, outcome = int(str(out.data["order"]), 16), out.kind.removeprefix("order.")
                assert out.record == f"{order_id:016x}:{outcome}"
                self.given[order_id].outcomes.add(outcome)
            elif isinstance(out, Tx):
                self.send([out])
        self.hand_over()

    def hand_over(self) -> None:
        assert isinstance(self.driver, Obedient)
        for one in self.given.values():
            if not self.heard or one.outcomes or one.order.id in self.handed:
                continue
            self.handed.add(one.order.id)
            give = self.driver.recall if one.sent else self.driver.order
            one.given_ns, one.sent = one.given_ns or self.link.world.now_ns, True
            self.send(give(one.order, self.link.world.now_ns))


class Orders(RuleBasedStateMachine):
    make: Any = Dispenser
    link: Any = Serial

    @initialize(comes_back=st.booleans(), may_be_erased=st.sampled_from((False, False, False, True)))
    def begin(self, comes_back: bool, may_be_erased: bool) -> None:
        self.comes_back, self.may_be_erased = comes_back, may_be_erased
        self.world = World(self.make)
        self.gateway = Gateway(self.link(self.world))
        self.later: list[tuple[str, bytes]] = []
        self.ids = 0

    @rule(kind=KINDS, compartment=st.sampled_from((1, 2, 3, 0)), lives_s=st.sampled_from((5, 300)))
    def a_nurse_orders(self, kind: str, compartment: int, lives_s: int) -> None:
        self.ids += 0x9E3779B97F4A7C15
        order = Order(self.ids % 2**64, kind, {"compartment": compartment, "lives_s": lives_s})
        self.gateway.given[order.id] = Given(order)
        self.gateway.hand_over()

    @rule(kind=KINDS, steps=st.integers(0, 5), answered=st.booleans())
    def power_fails_while_it_is_done(self, kind: str, steps: int, answered: bool) -> None:
        self.a_nurse_orders(kind, 1, 300)
        if answered:
            self.all_is_well_for_a_moment()
        self.world.steps_left = steps
        while self.gateway.to_device:
            self.carry(self.gateway.to_device, self.gateway.link.write, "whole")
        self.time_passes(6)
        self.world.steps_left = None

    @rule()
    def all_is_well_for_a_moment(self) -> None:
        for _ in range(30):
            self.carry(self.gateway.link.sent, self.gateway.hear, "whole")
            self.carry(self.gateway.to_device, self.gateway.link.write, "whole")
        self.gateway.store()

    @rule(kind=KINDS)
    def an_order_is_held_up_and_asked_for(self, kind: str) -> None:
        self.all_is_well_for_a_moment()
        before = len(self.gateway.to_device)
        self.a_nurse_orders(kind, 1, 300)
        if self.link.may_lose:
            self.later += self.gateway.to_device[before:]
            del self.gateway.to_device[before:]
        for _ in range(2):
            self.gateway.link.beat()
            self.all_is_well_for_a_moment()

    @rule()
    def much_happens_that_nobody_reads(self) -> None:
        for _ in range(45):
            self.world.device.set_clock(self.world.device.calendar_ns + 5 * NS)
            self.world.device.set_clock(self.world.device.calendar_ns - 5 * NS)
        self.gateway.link.collect()
        self.gateway.link.sent.clear()

    @rule(seconds=st.sampled_from((0.5, 2, 6, 40, 400)))
    def time_passes(self, seconds: float) -> None:
        self.world.passes(seconds)
        self.gateway.link.collect()

    @rule(steps=st.integers(0, 4))
    def its_power_will_fail(self, steps: int) -> None:
        self.world.steps_left = steps

    @rule()
    def its_power_fails(self) -> None:
        self.world.now_ns += NS
        self.world.switch_on()

    @rule()
    def its_heart_beats(self) -> None:
        self.gateway.link.beat()

    @rule()
    def the_disk_is_written(self) -> None:
        self.gateway.store()

    @rule()
    def the_gateway_asks_again_who_is_there(self) -> None:
        self.gateway.greet()

    @rule(dies=st.booleans())
    def the_connection_is_cut(self, dies: bool) -> None:
        if not dies:
            self.gateway.store()
        if self.link.may_lose:
            self.later += self.gateway.to_device  # what a converter on the line still holds
        self.gateway.connect()

    @precondition(lambda self: self.later)
    @rule()
    def what_was_late_arrives(self) -> None:
        self.gateway.link.write(*self.later.pop())

    @precondition(lambda self: self.may_be_erased and not self.world.erased)
    @rule()
    def it_is_reset_to_the_factory(self) -> None:
        self.world.erase()

    @precondition(lambda self: self.gateway.link.sent)
    @rule(fates=st.lists(FATES, min_size=1, max_size=12))
    def the_gateway_hears(self, fates: list[str]) -> None:
        for fate in fates:
            self.carry(self.gateway.link.sent, self.gateway.hear, fate)

    @precondition(lambda self: self.gateway.to_device)
    @rule(fates=st.lists(FATES, min_size=1, max_size=6))
    def the_device_hears(self, fates: list[str]) -> None:
        for fate in fates:
            self.carry(self.gateway.to_device, self.gateway.link.write, fate)

    def carry(self, line: list[tuple[str, bytes]], hear: Callable[[str, bytes], None], fate: str) -> None:
        if not line:
            return
        pipe, data = line.pop(0)
        if not self.link.may_lose:
            hear(pipe, data)
        elif fate == "later":
            if line is self.gateway.to_device:
                self.later.append((pipe, data))
        elif fate == "nameless" and is_state(data):
            return
        elif fate == "damaged":
            hear(pipe, data[:2] + bytes((data[2] ^ 0x40,)) + data[3:])
        elif fate != "lost":
            for _ in range(2 if fate == "twice" else 1):
                hear(pipe, data)

    @invariant()
    def nothing_is_done_twice_and_every_word_is_true(self) -> None:
        for order_id, times in self.world.acted.items():
            assert times == 1, f"{order_id:x} was done {times} times"
        for order_id, acted_ns in self.world.acted_ns.items():
            one = self.gateway.given[order_id]
            assert acted_ns - one.given_ns <= (int(one.order.data["lives_s"]) + LONGEST_ACT_S) * NS, "too late"
        for order_id, one in self.gateway.given.items():
            assert len(one.outcomes) <= 1, f"{order_id:x} ended as {one.outcomes}"
            if "done" in one.outcomes:
                assert self.world.acted[order_id] == 1
            if "refused" in one.outcomes:
                assert self.world.acted[order_id] == 0
            if "unknown" in one.outcomes and not self.world.erased:
                stored = self.world.device.known(order_id)
                assert stored is None or stored.state == State.UNKNOWN, "what is known must not be said to be unknown"

    def teardown(self) -> None:
        """All is well again; heartbeats and one new connection are all the help there is."""
        if not hasattr(self, "world"):
            return
        self.world.steps_left = None
        for turn in range(10):
            if (self.comes_back and turn in (0, 5)) or self.gateway.link.is_gone:
                self.gateway.connect()
            self.world.passes(30)
            self.gateway.link.collect()
            self.gateway.link.beat()
            for _ in range(200):
                self.carry(self.gateway.link.sent, self.gateway.hear, "whole")
                self.carry(self.gateway.to_device, self.gateway.link.write, "whole")
                self.gateway.store()
        while self.later:
            self.what_was_late_arrives()
            self.world.passes(10)
        self.nothing_is_done_twice_and_every_word_is_true()
        for order_id, one in self.gateway.given.items():
            assert one.outcomes, f"{order_id:x}, {one.order.kind}, never ended"


def is_state(data: bytes) -> bool:
    """Whether a frame is the state of an order, without which the entry after it has no id."""
    return any(isinstance(payload, bytes) and payload[0] == ORDER_STATE for payload in Frames().feed(data))


class OrdersOnAir(Orders):
    make = BleDispenser
    link = Air


Orders.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
OrdersOnAir.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestOrdersOnALine = Orders.TestCase
TestOrdersOnAir = OrdersOnAir.TestCase
