"""A dispenser that takes orders, each at most once.

    store the id → act → write the outcome and its entry, as one

The id is in memory before anything moves, and an id in memory is never acted on again. Power lost in between leaves an
order under way; the next start finds it and writes that nobody can know (ORDER_UNKNOWN). An id that somebody asks for
before it came is stored as never seen: should the order still come, it finds its id there.

Memory is small: an order is forgotten when more than KEPT came after it and its outcome was acknowledged. The outcome
of one that was not is written again when the log's oldest page is overwritten.

Source: docs/reference/dispenser-protocol.md, section 4.
"""

from functools import partial
from typing import Any

from firmware_sim.device import Happening
from firmware_sim.devices._dispenser_core import POWER_ON, StoredOrder
from firmware_sim.devices._dispenser_doses import PRESENTING_NS, Doses, Open
from firmware_sim.devices._dispenser_wire import Do, Reason, ScheduledDose, State, Wanted
from firmware_sim.devices._log import Type
from vitals.clock import NS

KEPT = 32
COMPARTMENTS = 28
_WRAP_MS = 1 << 32
_ORDERED_WINDOW_MIN = 60
_TAKES_NS = {Do.DISPENSE: PRESENTING_NS, Do.LOCK: NS, Do.UNLOCK: NS, Do.TEST: 2 * NS}
_ENTRY = {State.DONE: Type.ORDER_DONE, State.REFUSED: Type.ORDER_REFUSED, State.UNKNOWN: Type.ORDER_UNKNOWN}


class Machine(Doses):
    """The whole device but its wire. `acts`: the ids whose doses or locks it moved since it was switched on."""

    def __init__(self, t_ns: int, **common: Any) -> None:
        super().__init__(t_ns, **common)
        self.acts: list[int] = []
        self._start(POWER_ON)

    def _start(self, cause: int) -> None:
        super()._start(cause)
        for order in self.memory.orders:
            if order.state == State.UNDER_WAY:
                self._end(order, State.UNKNOWN)

    # What the gateway asks

    def known(self, order_id: int) -> StoredOrder | None:
        """The order of that id, if it is stored."""
        return next((order for order in self.memory.orders if order.id == order_id), None)

    def told_by(self, seq: int) -> StoredOrder | None:
        """The order whose outcome the entry `seq` is."""
        return next((order for order in self.memory.orders if order.seq == seq), None) if seq else None

    def take(self, wanted: Wanted) -> StoredOrder | None:
        """Store an order and begin it, or say what became of it; None when there is no room for it."""
        known = self.known(wanted.id)
        if known is not None:
            return known
        order = StoredOrder(wanted.id, wanted.kind, wanted.compartment, wanted.dose_id, State.UNDER_WAY)
        if not self._stored(order):
            return None
        reason = self._objection(wanted)
        if reason:
            self._end(order, State.REFUSED, reason)
        else:
            self._timers.append((self._now_ns + _TAKES_NS[Do(order.kind)], partial(self._carry_out, order)))
        return order

    def asked(self, order_id: int) -> StoredOrder | None:
        """What became of that id, which is stored from now on (0 excepted); None when there is no room for it."""
        known = self.known(order_id)
        if known is not None:
            return known
        unseen = StoredOrder(order_id, state=State.NEVER_SEEN)
        return unseen if not order_id or self._stored(unseen) else None

    # Memory

    def _stored(self, order: StoredOrder) -> bool:
        orders = self.memory.orders
        if len(orders) >= KEPT:
            gone = next((old for old in orders if self._may_go(old)), None)
            if gone is None:
                return False
            orders.remove(gone)
        orders.append(order)
        self._step("stored")
        return True

    def _may_go(self, order: StoredOrder) -> bool:
        ended = order.state != State.UNDER_WAY
        return ended and order.seq <= self.memory.log.acked

    def _end(self, order: StoredOrder, state: State, reason: Reason = Reason.NONE) -> None:
        """The outcome and its entry, as one."""
        order.state, order.reason, order.ended = state, reason, self._moment()
        self._write_outcome(order)
        self._rescue()
        self._step("ended")

    def _write_outcome(self, order: StoredOrder) -> None:
        assert order.ended is not None
        self.memory.log.write(
            order.ended,
            _ENTRY[State(order.state)],
            compartment=order.compartment,
            dose_id=order.dose_id,
            count=order.kind,
            flags=self._flags(),
            value=order.reason,
        )
        order.seq = self.memory.log.newest_seq

    def _write(self, type_: Type, dose: ScheduledDose | None = None, value: int = 0) -> None:
        super()._write(type_, dose, value)
        self._rescue()

    def _rescue(self) -> None:
        """Write again what was overwritten before anybody had read it."""
        log = self.memory.log
        for order in self.memory.orders:
            if log.acked < order.seq < log.oldest_seq:
                self._write_outcome(order)

    # Acting

    def _objection(self, wanted: Wanted) -> Reason:
        """Why it cannot be begun."""
        if wanted.boot_id != self.boot_id or 0 < (self.uptime_ms - wanted.not_after_ms) % _WRAP_MS < _WRAP_MS // 2:
            return Reason.LATE
        if wanted.kind not in list(Do):
            return Reason.CANNOT
        return self._cannot_dispense(wanted.compartment) if wanted.kind == Do.DISPENSE else Reason.NONE

    def _cannot_dispense(self, compartment: int) -> Reason:
        if self.memory.locked:
            return Reason.LOCKED
        if not 1 <= compartment <= COMPARTMENTS:
            return Reason.NO_COMPARTMENT
        if self.memory.inside == 0:
            return Reason.NO_DOSE
        busy = any(not opened.presented for opened in self.open) or any(
            order.state == State.UNDER_WAY and order.kind == Do.DISPENSE for order in self.memory.orders[:-1]
        )
        return Reason.BUSY if busy else Reason.NONE

    def _carry_out(self, order: StoredOrder) -> list[Happening]:
        acts = {Do.DISPENSE: self._dispense, Do.LOCK: self._lock, Do.UNLOCK: self._lock, Do.TEST: self._test}
        reason = acts[Do(order.kind)](order)
        self._end(order, State.REFUSED if reason else State.DONE, reason)
        return [self._saw("order refused" if reason else "order done", order=f"{order.id:016x}")]

    def _dispense(self, order: StoredOrder) -> Reason:
        if self.memory.inside == 0:
            return Reason.NO_DOSE
        if self._obstacle():
            return Reason.LOCKED if self.memory.locked else Reason.STUCK
        self._moved(order)
        dose = ScheduledDose(order.dose_id, 0, order.compartment, 1, _ORDERED_WINDOW_MIN)
        self.open.append(Open(dose, self.calendar_ns, self._now_ns, presented=True, ordered=True))
        self._write(Type.PRESENTED, dose)
        self._count_down()
        self._step("logged")
        return Reason.NONE

    def _lock(self, order: StoredOrder) -> Reason:
        self.memory.locked = order.kind == Do.LOCK
        self._moved(order)
        return Reason.NONE

    def _test(self, order: StoredOrder) -> Reason:
        if self._jammed:
            return Reason.STUCK
        self._moved(order)
        return Reason.NONE

    def _moved(self, order: StoredOrder) -> None:
        self.acts.append(order.id)
        self._step("moved")
