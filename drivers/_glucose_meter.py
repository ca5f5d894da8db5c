"""The conversation with a glucose meter: which records to ask for, and when they were made. For every maker's card.

A meter numbers its records and gives them over the Record Access Control Point. The bookmark holds the newest record
that is stored, so the next connection asks from the number after it. Nothing is deleted on the meter.

The trap is that a meter which lost its memory counts from the beginning again, and the numbers after the bookmark are
then those of another life. So when there is nothing new, the bookmarked record itself is asked for: if it is not there,
or has another base time, everything is asked for. So it is when a record with a higher number has an earlier base time.
A record that comes again has the same name (number and base time) and is one reading. A meter that has gone beyond the
bookmark in its new life, with a clock that runs on, cannot be told from one that just went on.

    asked        none there        all sent
    new          the bookmarked    done, or everything if time went back
    bookmarked   everything        done if it is the same, else everything
    everything   done              done

The bookmark moves when a request has ended well, so a connection that breaks costs only repetition. Records that come
on request were made before the clock was set now (`stored`); `_device_clock` holds the reasoning about clocks.
"""

from collections.abc import Iterator, Sequence
from enum import Enum

import msgspec

from drivers import _record_access as racp
from drivers._current_time import PIPE as CLOCK
from drivers._current_time import CurrentTime
from drivers._gatt import Reader, battery_level, dispatch
from drivers._glucose import UNSET, Record, decode, decode_context
from drivers._reading import Stamp, reading
from drivers.contract import Bookmark, Out, Rx, Tx
from vitals.events import Event

MEASUREMENT, CONTEXT, FEATURES, BATTERY = "2a18", "2a34", "2a51", "2a19"

CHANNELS = ("glucose", "battery")
EVENTS = ("glucose.context",)
NOTIFY = (MEASUREMENT, CONTEXT, racp.PIPE)
READ = (CLOCK, FEATURES, BATTERY)


class _Asked(Enum):
    NOTHING = 0
    NEW = 1
    BOOKMARKED = 2
    EVERYTHING = 3


class Meter:
    """Reads one meter for one connection; a driver is this with a card. Bookmark: `<number>@<base time> <clock>`."""

    def __init__(self, bookmark: str = "") -> None:
        self._last, memory = _parsed(bookmark)
        self._clock = CurrentTime(memory)
        self._asked = _Asked.NOTHING
        self._came: list[Record] = []
        self._stamps: dict[int, Stamp] = {}
        self._handlers = {
            MEASUREMENT: self._measurement,
            CONTEXT: self._context,
            FEATURES: self._features,
            racp.PIPE: self._record_access,
            CLOCK: self._current_time,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Set the clock where there is one, then ask for the records after the bookmark."""
        number = _number(self._last)
        new = number is not None and number < racp.LAST_NUMBER
        return [*self._clock.setting(now_ns), self._ask(_Asked.NEW if new else _Asked.EVERYTHING)]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _measurement(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        record = decode(packet)
        words = record.words if self._asked is _Asked.NOTHING else ("stored", *record.words)
        stamp = self._clock.stamp(rx, record.device_ns, words, unset=record.unset)
        stamp = msgspec.structs.replace(stamp, record=record.key)
        self._came.append(record)
        self._stamps[record.number] = stamp
        yield reading("glucose", record.glucose, rx, stamp)

    def _context(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        """It belongs to the measurement of its number, which came before it, and has no time but that one's."""
        context = decode_context(packet)
        of = self._stamps.get(context.number, Stamp(rx.t_ns, record=str(context.number), status=("clock_unset",)))
        data = context.data | ({"clock_unset": 1} if "clock_unset" in of.status else {})
        yield Event("glucose.context", of.t_ns, data, of.record, of.device_t_ns)

    def _features(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        # What the meter can notice, each record's own status says; only the length is checked.
        packet.u16()
        packet.end()
        yield from ()

    def _current_time(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        for out in self._clock.heard(rx, packet):
            yield self._bookmark() if isinstance(out, Bookmark) else out

    def _record_access(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        code = racp.answer(packet)
        asked, came = self._asked, self._came
        self._asked, self._came = _Asked.NOTHING, []
        limited = asked in (_Asked.NEW, _Asked.BOOKMARKED)
        if code not in (racp.DONE, racp.NONE) and not (limited and code in racp.CANNOT_FILTER):
            yield racp.refused(code, rx)
        elif asked is _Asked.NEW and code == racp.NONE:
            yield self._ask(_Asked.BOOKMARKED)
        elif limited and not self._goes_on(asked, code, came):
            yield self._ask(_Asked.EVERYTHING)
        elif came and asked is not _Asked.BOOKMARKED:
            self._last = max(came, key=lambda record: record.number).key
            yield self._bookmark()

    def _goes_on(self, asked: _Asked, code: int, came: Sequence[Record]) -> bool:
        """Whether what came is the life of the meter that the bookmark is from."""
        if code != racp.DONE:
            return False
        if asked is _Asked.BOOKMARKED:
            return any(record.key == self._last for record in came)
        return not any(_earlier(record.key, self._last) for record in came)

    def _ask(self, what: _Asked) -> Tx:
        self._asked, self._came = what, []
        number = _number(self._last)
        if what is _Asked.EVERYTHING or number is None:
            return Tx(racp.PIPE, racp.ALL)
        return Tx(racp.PIPE, racp.at_least(number + (what is _Asked.NEW)))

    def _bookmark(self) -> Bookmark:
        return Bookmark(" ".join(part for part in (self._last, self._clock.memory) if part))


def _earlier(key: str, than: str) -> bool:
    """Whether the base time in one record's name is before that in another's; unknown where either is not set."""
    mine, other = key.partition("@")[2], than.partition("@")[2]
    return UNSET not in (mine, other) and mine < other


def _parsed(bookmark: str) -> tuple[str, str]:
    """The newest stored record's name and the memory of the clock; text that is not understood counts as nothing."""
    first, _, rest = bookmark.partition(" ")
    return (first, rest) if _number(first) is not None else ("", bookmark)


def _number(key: str) -> int | None:
    number, at, _ = key.partition("@")
    fits = at and number.isascii() and number.isdecimal() and len(number) <= 5 and int(number) <= racp.LAST_NUMBER
    return int(number) if fits else None
