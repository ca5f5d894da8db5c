"""The Record Access Control Point (2A52) of a device that tells what it stored only when it is asked.

    request    operation, operator, and for some operators a filter type and one or two u16
    records    on the measurement's own pipe, oldest first
    answer     06 00 request code; to a count 05 00 u16

Operations: 1 report, 3 abort, 4 number of records. Deleting (2) is not supported, as the profiles allow.
Operators: 1 all, 2 up to, 3 from, 4 between (both ends belong to it), 5 first, 6 last. What the filter compares is each
device's own: a sequence number, or minutes of a session.

Records go as notifications, which nobody confirms. So it is the confirmation of the answer at the end, an indication,
that delivers them all; a report that breaks off leaves them as they were.

Source: Record Access Control Point, GATT Specification Supplement; Glucose Service 1.0; CGM Service 1.0.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from firmware_sim.device import Refused, Send
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import Record, SpotDevice

PIPE = "2a52"

REPORT, ABORT, COUNT, COUNT_IS, ANSWER = 1, 3, 4, 5, 6
NO_OPERATOR, ALL, UP_TO, FROM, BETWEEN, FIRST, LAST = range(7)
SUCCESS, NO_SUCH_REQUEST, BAD_OPERATOR, NO_SUCH_OPERATOR, BAD_OPERAND, NO_RECORDS, NO_SUCH_FILTER = 1, 2, 3, 4, 5, 6, 9
BY_NUMBER = 1
"""The filter type every such device understands."""

_OPERANDS = {ALL: 0, FIRST: 0, LAST: 0, UP_TO: 1, FROM: 1, BETWEEN: 2}


class AccessError(Exception):
    """A request that is answered with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"answer {code}")
        self.code = code


class StoredDevice(SpotDevice):
    """`write`, and what a report delivers. `needed`: the pipes to enable before anything is asked."""

    needed: ClassVar[frozenset[str]]

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self._reported: list[Record] = []
        self._end: Send | None = None

    def _number(self, record: Record) -> int:
        """What a filter compares."""
        return record.number

    def _report(self, records: Sequence[Record]) -> Sequence[Send]:
        """What carries these records."""
        raise NotImplementedError

    def connected(self) -> None:
        super().connected()
        self._end = None

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        if pipe != PIPE:
            super().write(pipe, data, t_ns)
            return
        if not data:
            raise Refused(_gatt.INVALID_LENGTH, "an empty request")
        if not self.needed <= self._subscribed:
            raise Refused(_gatt.IMPROPERLY_CONFIGURED, f"enable {', '.join(sorted(self.needed))} first")
        if any(send.pipe == PIPE for send in self._queue) and data[0] != ABORT:
            raise Refused(_gatt.ALREADY_IN_PROGRESS, "a report is under way")
        try:
            self._answer(data)
        except AccessError as error:
            self._queue.append(_answer(data[0], error.code))

    def _answer(self, request: bytes) -> None:
        operation = request[0]
        if operation == ABORT:
            if request[1:] != bytes((NO_OPERATOR,)):
                raise AccessError(BAD_OPERATOR)
            self._queue.clear()
            self._queue.append(_answer(ABORT, SUCCESS))
            return
        if operation not in (REPORT, COUNT):
            raise AccessError(NO_SUCH_REQUEST)
        asked = chosen(request, [self._number(record) for record in self.records])
        if operation == COUNT:
            self._queue.append(Send(PIPE, bytes((COUNT_IS, NO_OPERATOR)) + len(asked).to_bytes(2, "little")))
            return
        if not asked:
            raise AccessError(NO_RECORDS)
        self._reported = [self.records[place] for place in asked]
        self._end = _answer(REPORT, SUCCESS)
        self._queue.extend((*self._report(self._reported), self._end))

    def confirmed(self, send: Send) -> None:
        super().confirmed(send)
        if send is self._end:
            for record in self._reported:
                record.delivered = True


def chosen(request: bytes, numbers: Sequence[int]) -> list[int]:
    """The places of the records a request asks for among `numbers`, which ascend; raises AccessError."""
    operator, rest = request[1] if len(request) > 1 else NO_OPERATOR, request[2:]
    if operator == NO_OPERATOR:
        raise AccessError(BAD_OPERATOR)
    if operator not in _OPERANDS:
        raise AccessError(NO_SUCH_OPERATOR)
    low, high = _bounds(operator, rest)
    places = [place for place, number in enumerate(numbers) if low <= number <= high]
    return {FIRST: places[:1], LAST: places[-1:]}.get(operator, places)


def _bounds(operator: int, rest: bytes) -> tuple[int, int]:
    count = _OPERANDS[operator]
    if count and rest and rest[0] != BY_NUMBER:
        raise AccessError(NO_SUCH_FILTER)
    if len(rest) != (1 + 2 * count if count else 0):
        raise AccessError(BAD_OPERAND)
    operands = [int.from_bytes(rest[1 + 2 * n : 3 + 2 * n], "little") for n in range(count)]
    if operator == BETWEEN and operands[0] > operands[1]:
        raise AccessError(BAD_OPERAND)
    low = operands[0] if operator in (FROM, BETWEEN) else 0
    return low, operands[-1] if operator in (UP_TO, BETWEEN) else 0xFFFF


def _answer(request: int, code: int) -> Send:
    return Send(PIPE, bytes((ANSWER, NO_OPERATOR, request, code)))
