"""The orders of one connection to a dispenser: what to ask of the device for each, and what its answers mean.

An order is sent once, when the device has said who it is (a HELLO gives the start and the uptime that its time limit is
made of). From then on it is only ever asked for, and so is one that an earlier connection sent. What an answer means:

    ORDER_STATE   ended, and its entry was read before     the outcome
                  ended, its entry still unread            nothing: the log brings it
                  under way                                nothing
                  never seen                               refused: its id is stored now, so it can never be done
                                                           (unknown, where the device's memory was erased since)
    ERROR         of a request to do something             refused: nothing was stored and nothing will be done
                  that its list of orders is full          asked for, so that its id is stored
                  that it has no orders                    the same
    SCHEDULE      with the hash of the doses               done
                  with that of the part just sent          the next part
                  with any other                           refused

A device that stays silent is asked again at its heartbeats, at the second one after something went out.

A schedule is no order of the protocol's: setting it twice is setting it once, and its hash says whether it is in force.

`Order.data`, by kind:

    dispense   compartment (1 to 254), and if it shall have one dose_id (1 to 65535)
    schedule   doses, as `vitals.schedule` reads them
    all        lives_s, the seconds within which it must have reached the device (300)

What cannot be sent is asked for all the same: the device's answer is the occasion to say that it is refused.

Source: docs/reference/dispenser-protocol.md, sections 4 and 5.
"""

from collections.abc import Iterator
from hashlib import sha256

import msgspec

from drivers._dispenser_words import (
    BUSY,
    ENDS,
    ERRORS,
    KINDS,
    NEVER_SEEN,
    ORDER,
    ORDER_GET,
    SCHEDULE_GET,
    SCHEDULE_PART,
    SCHEDULE_PUT,
    UNKNOWN_TYPE,
    Hello,
    OrderState,
    outcome,
    u32,
    why,
)
from drivers.contract import Order
from vitals.clock import MS, NS
from vitals.errors import WireError
from vitals.events import Event
from vitals.schedule import Dose, read

TAKEN = (*KINDS, "schedule")
LIVES_S = 300
LONGEST_S = 86_400
PART_DOSES = 11
IN_FORCE, MORE = 0, 1

_NEVER_CAME = "it never reached the device"
_NOT_TAKEN = "the device did not take the schedule"
_OTHER = "another schedule is in force"
_ERASED = "the device's memory was erased since"
_FULL = "the device's list of orders is full"
_TOO_LATE = "its time was over before the device answered"
_CANNOT = {
    ORDER: "the device speaks version 1.0 of the protocol, which has no orders",
    ORDER_GET: "the device speaks version 1.0 of the protocol, which has no orders",
    SCHEDULE_PART: f"the device speaks version 1.0 of the protocol, which holds at most {PART_DOSES} doses",
}


class Request(msgspec.Struct, frozen=True):
    """Something to send: type, body, and the tag its answer will have."""

    kind: int
    body: bytes
    tag: int


class _Open(msgspec.Struct):
    """An order without an outcome. `tag`: of its last request, 0 for none. `fault`: why it cannot be sent."""

    order: Order
    given_ns: int
    recalled: bool
    fault: str = ""
    doses: tuple[bytes, ...] = ()
    tag: int = 0
    sent_doses: int = 0
    fresh: bool = False

    @property
    def is_schedule(self) -> bool:
        return self.order.kind == "schedule"

    @property
    def asks(self) -> bool:
        """Whether it is asked for and not sent."""
        return self.recalled or bool(self.fault)

    @property
    def goes_on(self) -> bool:
        """Whether a part of its schedule is still to be sent."""
        return not self.asks and self.sent_doses < len(self.doses)


class Orders:
    """What the session gave to one connection. `tags` draws the tags of requests."""

    def __init__(self, tags: Iterator[int]) -> None:
        self._tags = tags
        self._open: dict[int, _Open] = {}

    def give(self, order: Order, now_ns: int, *, recalled: bool) -> None:
        """One more; it goes out with the next `waiting`."""
        one = _Open(order, now_ns, recalled)
        try:
            _lives_ns(order)
            if one.is_schedule:
                one.doses = tuple(map(_encoded, read(str(order.data.get("doses", "")))))
            else:
                _body(order)
        except WireError as error:
            one.fault = str(error)
        self._open[order.id] = one

    def waiting(self, told: Hello, now_ns: int) -> Iterator[Request | Event]:
        """The requests for those that nothing was sent for."""
        for one in [one for one in self._open.values() if not one.tag]:
            if one.asks:
                yield self._ask(one)
            elif now_ns - one.given_ns >= _lives_ns(one.order):
                yield self._end(one, "refused", _TOO_LATE, now_ns)
            elif one.is_schedule:
                yield self._send_doses(one)
            else:
                not_after_ns = told.uptime_ns(one.given_ns) + _lives_ns(one.order)
                yield self._request(one, ORDER, _body(one.order) + u32(told.boot_id) + u32(not_after_ns // MS))

    def overdue(self) -> Iterator[Request]:
        """The device's heart beats: ask for what it should have answered."""
        for one in self._open.values():
            if one.tag and not one.fresh:
                yield self._ask(one)
            else:
                one.fresh = False

    def ended(self, order_id: int) -> None:
        """Its outcome came with the log."""
        self._open.pop(order_id, None)

    # What the device answers

    def state(self, told: OrderState, *, read_upto: int, erased: bool, t_ns: int) -> Iterator[Event]:
        """ORDER_STATE. `read_upto`: the last entry read; `erased`: the device may have forgotten what it did."""
        one = self._open.get(told.id)
        if one is None or one.is_schedule:
            return
        how = ENDS.get(told.state)
        if how is not None and told.seq <= read_upto:
            yield self._end(one, how, why(how, told.reason), t_ns)
        elif told.state == NEVER_SEEN and one.fault and not one.recalled:
            yield self._end(one, "refused", one.fault, t_ns)
        elif told.state == NEVER_SEEN:
            yield self._end(one, *(("unknown", _ERASED) if erased else ("refused", _NEVER_CAME)), t_ns)

    def schedule(self, tag: int, result: int, fingerprint: bytes, t_ns: int) -> Iterator[Request | Event]:
        """SCHEDULE, the answer to the request `tag`."""
        one = self._by_tag(tag)
        if one is None:
            return
        if one.fault:
            yield self._end(one, "refused", one.fault, t_ns)
        elif result == IN_FORCE:
            in_force = fingerprint == _fingerprint(one.doses)
            yield self._end(one, *(("done", "") if in_force else ("refused", _OTHER)), t_ns)
        elif result == MORE and one.goes_on and fingerprint == _fingerprint(one.doses[: one.sent_doses]):
            yield self._send_doses(one)
        else:
            yield self._end(one, "refused", _NOT_TAKEN, t_ns)

    def error(self, tag: int, request: int, code: int, *, erased: bool, t_ns: int) -> Iterator[Request | Event]:
        """ERROR, the answer to the request `tag`."""
        one = self._by_tag(tag)
        if one is None:
            return
        knows_none = code == UNKNOWN_TYPE
        if request in (ORDER_GET, SCHEDULE_GET) and not knows_none:
            return  # a question that was not answered: it is asked again
        if request == ORDER and code == BUSY:
            one.fault = _FULL  # true when its id is stored as never seen: a copy of it may still be under way
            yield self._ask(one)
            return
        if one.recalled and erased:
            yield self._end(one, "unknown", _ERASED, t_ns)
            return
        text = _CANNOT.get(request, "") if knows_none else ""
        yield self._end(one, "refused", one.fault or text or ERRORS.get(code, f"error {code}"), t_ns)

    def is_answer(self, tag: int) -> bool:
        """Whether the request `tag` was for an order that is still open."""
        return self._by_tag(tag) is not None

    # One order

    def _ask(self, one: _Open) -> Request:
        if one.is_schedule:
            return self._request(one, SCHEDULE_GET, b"")
        return self._request(one, ORDER_GET, one.order.id.to_bytes(8, "little"))

    def _send_doses(self, one: _Open) -> Request:
        """The schedule, or the next part of it."""
        first, total = one.sent_doses, len(one.doses)
        part = one.doses[first : first + PART_DOSES]
        one.sent_doses += len(part)
        if total <= PART_DOSES:
            return self._request(one, SCHEDULE_PUT, bytes((total,)) + b"".join(part))
        return self._request(one, SCHEDULE_PART, bytes((first, total)) + b"".join(part))

    def _request(self, one: _Open, kind: int, body: bytes) -> Request:
        one.tag, one.fresh = next(self._tags), True
        return Request(kind, body, one.tag)

    def _end(self, one: _Open, how: str, text: str, t_ns: int) -> Event:
        del self._open[one.order.id]
        return outcome(one.order.id, how, text, t_ns)

    def _by_tag(self, tag: int) -> _Open | None:
        return next((one for one in self._open.values() if tag and one.tag == tag), None)


def _body(order: Order) -> bytes:
    """An ORDER up to its time limit; raises WireError for data that cannot be sent."""
    kind = KINDS.get(order.kind)
    if kind is None:
        raise WireError("bad order", f"there is no order {order.kind!r}", f"use one of {', '.join(TAKEN)}")
    compartment = _whole(order, "compartment", 1 if order.kind == "dispense" else 0, 254)
    dose_id = _whole(order, "dose_id", 0, 0xFFFF)
    return order.id.to_bytes(8, "little") + bytes((kind, compartment)) + dose_id.to_bytes(2, "little")


def _whole(order: Order, name: str, low: int, high: int, default: int = 0) -> int:
    value = order.data.get(name, default)
    if not isinstance(value, int) or not low <= value <= high:
        raise WireError("bad order", f"{name} {value!r}", f"give a whole number from {low} to {high}")
    return value


def _lives_ns(order: Order) -> int:
    return _whole(order, "lives_s", 1, LONGEST_S, LIVES_S) * NS


def _encoded(dose: Dose) -> bytes:
    """A dose of the schedule, 10 bytes."""
    return (
        dose.dose_id.to_bytes(2, "little")
        + dose.minute_of_day.to_bytes(2, "little")
        + bytes((dose.compartment, dose.count))
        + dose.window_min.to_bytes(2, "little")
        + bytes((dose.weekdays, int(dose.time_critical)))
    )


def _fingerprint(doses: tuple[bytes, ...]) -> bytes:
    return sha256(b"".join(doses)).digest()[:8]
