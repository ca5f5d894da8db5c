"""A capture: one conversation with a device as text, the bytes and what they mean side by side.

    # driver plx-1822                       which driver it is for (needed)
    # start 2026-11-21T08:00:00Z            the moment that is second 0 (needed)
    # bookmark 9f3c0001:41                  what the driver is made with (empty if left out)
    # any other line like this              a remark
    + 0.2                                   the link is ready: `hello` is called
    < 0.3 2a5e 00 61 00 48 00               bytes that arrived on a pipe
    > 0.2 2a52 01 01                        bytes the driver must send; `after_stored` at the end: held back until then
    = 0.3 spo2 97 % motion                  a reading: time, channel, value, unit, status words
    @ 0.3 dispenser.missed dose_id=7        an event: time, kind, its data (quoted as in a shell)
    ! short packet                          a fault: its code, and `channel=…` where it has one
    * 9f3c0001:44                           a bookmark

What the driver must make of a `<` or `+` line follows it, whole and in order. A time is in seconds from the start, or
a date such as 2026-11-20T21:00:00Z. A reading or event may end in `record=…` and `device=…` (what the device's clock
said); where the driver gives them they must be written. Values have the decimals the device reported.

Two texts of one meaning (spaces, hex in capitals, seconds or date) become one canonical line, so expecting is comparing
lines, and a recorder writes with the same words that a test reads.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from drivers.contract import Bookmark, Driver, Out, Rx, Tx
from vitals.block import STATUS, Block
from vitals.channels import CHANNELS
from vitals.clock import NS
from vitals.errors import ConfigError
from vitals.events import FAULTS, Event, Fault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADERS = ("driver", "start", "bookmark")
_SYMBOLS = "`<` `>` `=` `@` `!` `*` `+` `#`"
_NEAR_NS = 86_400 * NS
"""Times closer to the start than this are written in seconds."""


class Step(msgspec.Struct, frozen=True):
    """One thing that happens to the driver, `rx` or (None) the call of `hello`, and the lines it must answer with."""

    line: int
    t_ns: int
    rx: Rx | None
    expected: tuple[str, ...]


class Capture(msgspec.Struct, frozen=True):
    """A capture that has been read. `start_ns` is second 0."""

    driver: str
    start_ns: int
    bookmark: str
    steps: tuple[Step, ...]


class Difference(msgspec.Struct, frozen=True):
    """Where driver and capture disagree: the line of the step, what was written there and what the driver gave."""

    line: int
    expected: tuple[str, ...]
    got: tuple[str, ...]


def parse(text: str, where: str = "capture") -> Capture:
    """The capture in `text`; raises ConfigError that names `where`, the line and the mend."""
    return _Parser(where).parse(text)


def play(
    capture: Capture, driver: type[Driver], cut: Callable[[bytes], Sequence[bytes]] = lambda data: (data,)
) -> Iterator[tuple[Step, tuple[Out, ...]]]:
    """Each step with what a new driver makes of it. `cut` divides what arrives, as a stream may."""
    reader = driver(capture.bookmark)
    for step in capture.steps:
        if step.rx is None:
            yield step, tuple(reader.hello(step.t_ns))
        else:
            parts = [msgspec.structs.replace(step.rx, data=part) for part in cut(step.rx.data)]
            yield step, tuple(out for part in parts for out in reader.feed(part))


def differences(capture: Capture, driver: type[Driver]) -> list[Difference]:
    """Every step at which `driver` does not do what the capture says."""
    found = []
    for step, outs in play(capture, driver):
        got = tuple(line for out in outs for line in lines(out, step.t_ns, capture.start_ns))
        if got != step.expected:
            found.append(Difference(step.line, step.expected, got))
    return found


def header(driver: str, start_ns: int, bookmark: str = "") -> str:
    """The lines a recorded capture begins with."""
    start = f"# driver {driver}\n# start {_date(start_ns)}\n"
    return start + (f"# bookmark {bookmark}\n" if bookmark else "")


def arrived(rx: Rx, start_ns: int) -> str:
    """The line for bytes that arrived."""
    return f"< {_seconds(rx.t_ns, start_ns)} {rx.pipe} {rx.data.hex(' ')}".rstrip()


def lines(out: Out, t_ns: int, start_ns: int) -> list[str]:
    """What a driver gave at `t_ns`, as canonical lines: one, or one for each sample of a Block."""
    match out:
        case Tx(pipe, data, after_stored):
            held = " after_stored" if after_stored else ""
            return [f"> {_seconds(t_ns, start_ns)} {pipe} {data.hex(' ')}{held}"]
        case Bookmark(text):
            return [f"* {text}"]
        case Fault():
            return [f"! {out.code}" + (f" channel={out.channel}" if out.channel else "")]
        case Event():
            pairs = "".join(f" {key}={shlex.quote(str(value))}" for key, value in sorted(out.data.items()))
            return [f"@ {_time(out.t_ns, start_ns)} {out.kind}{pairs}{_identity(out)}"]
        case Block():
            unit = CHANNELS[out.channel].unit
            words = "".join(f" {word}" for word in out.status) + _identity(out)
            return [
                f"= {_time(sample_ns, start_ns)} {out.channel} {value:.{out.decimals}f} {unit}{words}"
                for sample_ns, value in zip(out.t_ns, out.value, strict=True)
            ]


def _identity(out: Block | Event) -> str:
    record = f" record={shlex.quote(out.record)}" if out.record is not None else ""
    return record + (f" device={_date(out.device_t_ns)}" if out.device_t_ns is not None else "")


def _time(t_ns: int, start_ns: int) -> str:
    return _seconds(t_ns, start_ns) if abs(t_ns - start_ns) < _NEAR_NS else _date(t_ns)


def _seconds(t_ns: int, start_ns: int) -> str:
    return f"{Decimal(t_ns - start_ns) / NS:.9f}".rstrip("0").rstrip(".")


def _date(t_ns: int) -> str:
    seconds, fraction_ns = divmod(t_ns, NS)
    whole = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return whole + (f".{fraction_ns:09d}".rstrip("0") if fraction_ns else "") + "Z"


class _Bad(Exception):
    """What is wrong with a line, and the mend."""


class _Parser:
    """Line by line; `_readers` says what each symbol is followed by."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._headers: dict[str, str] = {}
        self._start_ns = 0
        self._steps: list[Step] = []
        self._expectations = {
            ">": self._sent,
            "=": self._block,
            "@": self._event,
            "!": self._fault,
            "*": self._bookmark,
        }

    def parse(self, text: str) -> Capture:
        number = 0
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._line(number, line.strip())
            except _Bad as bad:
                raise ConfigError(f"{self._where}, line {number}: {bad.args[0]}", bad.args[1]) from None
        for key in ("driver", "start"):
            if key not in self._headers:
                raise ConfigError(f"{self._where}, line {number}: no `# {key} …` line", "begin the capture with one")
        return Capture(self._headers["driver"], self._start_ns, self._headers.get("bookmark", ""), tuple(self._steps))

    def _line(self, number: int, line: str) -> None:
        symbol, rest = line[:1], line[1:].strip()
        if symbol == "#":
            self._remark(rest)
        elif symbol in ("<", "+"):
            self._step(number, symbol, rest.split())
        elif symbol in self._expectations:
            if not self._steps:
                raise _Bad("nothing has happened yet that could give this", "write a `<` or `+` line before it")
            last = self._steps[-1]
            meant = self._expectations[symbol](rest)
            self._steps[-1] = msgspec.structs.replace(last, expected=(*last.expected, meant))
        elif symbol:
            raise _Bad(f"a line cannot begin with {symbol!r}", f"begin it with one of {_SYMBOLS}")

    def _remark(self, rest: str) -> None:
        key, _, value = rest.partition(" ")
        if key not in _HEADERS or self._steps:
            return
        if key in self._headers or not value:
            raise _Bad(f"a second or an empty `# {key}` line", "write it once, or begin the remark with another word")
        self._headers[key] = value.strip()
        if key == "start":
            self._start_ns = _ns(value.strip(), 0)

    def _step(self, number: int, symbol: str, words: list[str]) -> None:
        if "start" not in self._headers:
            raise _Bad("the start is not known", "write `# start 2026-11-21T08:00:00Z` before the first packet")
        if symbol == "+" and len(words) != 1:
            raise _Bad("a `+` line is the time at which `hello` is called", "write `+ 0.2`")
        if symbol == "<" and len(words) < 2:
            raise _Bad("a `<` line needs a time, a pipe and bytes", "write `< 0.3 2a19 5a`")
        t_ns = _ns(words[0], self._start_ns)
        if self._steps and t_ns < self._steps[-1].t_ns:
            raise _Bad(f"time goes back to {words[0]}", "put the lines in the order they happened")
        rx = Rx(words[1], _bytes(words[2:]), t_ns) if symbol == "<" else None
        self._steps.append(Step(number, t_ns, rx, ()))

    def _sent(self, rest: str) -> str:
        words = rest.split()
        if len(words) < 2:
            raise _Bad("a `>` line needs a time, a pipe and bytes", "write `> 0.2 2a52 01 01`")
        held = words[-1] == "after_stored"
        tx = Tx(words[1], _bytes(words[2 : -1 if held else None]), held)
        return lines(tx, _ns(words[0], self._start_ns), self._start_ns)[0]

    def _block(self, rest: str) -> str:
        words = rest.split()
        if len(words) < 4:
            raise _Bad("a reading needs a time, a channel, a value and a unit", "write `= 0.3 spo2 97 %`")
        time, channel, value, unit, *more = words
        if channel not in CHANNELS:
            raise _Bad(f"there is no channel {channel!r}", f"use one of {', '.join(CHANNELS)}")
        if unit != CHANNELS[channel].unit:
            raise _Bad(f"{channel} is not in {unit}", f"write it in {CHANNELS[channel].unit}")
        status, keys = _keys(more)
        for word in status:
            if word not in STATUS and not word.startswith("user_"):
                raise _Bad(f"{word!r} is no status", f"use one of {', '.join(STATUS)} or user_1")
        record, device_ns = self._named(keys)
        if keys:
            raise _Bad(f"a reading has no {', '.join(keys)}", "only `record=` and `device=` may follow")
        t_ns, decimals = _ns(time, self._start_ns), len(value.partition(".")[2])
        block = Block(channel, (t_ns,), (float(_number(value)),), decimals, tuple(status), record, device_ns)
        return lines(block, 0, self._start_ns)[0]

    def _event(self, rest: str) -> str:
        try:
            words = shlex.split(rest)
        except ValueError:
            raise _Bad("a quotation mark is open", "close it") from None
        if len(words) < 2:
            raise _Bad("an event needs a time and a kind", "write `@ 0.3 dispenser.missed dose_id=7`")
        time, kind, *more = words
        stray, keys = _keys(more)
        if stray:
            raise _Bad(f"{stray[0]!r} is no `key=value`", "give it a key, or quote what belongs together")
        record, device_ns = self._named(keys)
        event = Event(kind, _ns(time, self._start_ns), {**keys}, record, device_ns)
        return lines(event, 0, self._start_ns)[0]

    def _fault(self, rest: str) -> str:
        words, keys = _keys(rest.split())
        code = " ".join(words)
        if code not in FAULTS or set(keys) - {"channel"}:
            raise _Bad(f"{rest!r} is no fault", f"use one of: {'; '.join(FAULTS)}, and channel=… where it has one")
        return lines(Fault(code, "", 0, channel=keys.get("channel", "")), 0, self._start_ns)[0]

    def _bookmark(self, rest: str) -> str:
        return lines(Bookmark(rest), 0, self._start_ns)[0]

    def _named(self, keys: dict[str, str]) -> tuple[str | None, int | None]:
        """`record` and `device`, taken out of `keys`."""
        record, device = keys.pop("record", None), keys.pop("device", None)
        return record, None if device is None else _ns(device, self._start_ns)


def _keys(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Plain words, and the `key=value` among them."""
    plain = [word for word in words if "=" not in word]
    return plain, dict(word.split("=", 1) for word in words if "=" in word)


def _bytes(words: list[str]) -> bytes:
    try:
        return bytes.fromhex("".join(words))
    except ValueError:
        raise _Bad(f"{' '.join(words)!r} is not hexadecimal", "write two digits for each byte") from None


def _number(word: str) -> Decimal:
    try:
        number = Decimal(word)
    except InvalidOperation:
        raise _Bad(f"{word!r} is no number", "write it with a decimal point, as 36.6") from None
    if not number.is_finite():
        raise _Bad(f"{word} is no value", "expect a fault instead: `! no value channel=…`")
    return number


def _ns(word: str, start_ns: int) -> int:
    """A time in seconds from the start, or a date."""
    if "T" not in word:
        return start_ns + int(_number(word) * NS)
    whole, _, fraction = word.removesuffix("Z").partition(".")
    try:
        date = datetime.fromisoformat(whole).replace(tzinfo=UTC)
        return (date - _EPOCH) // timedelta(seconds=1) * NS + int(f"{fraction:0<9}"[:9])
    except ValueError:
        raise _Bad(f"{word!r} is no date", "write it as 2026-11-21T08:00:00Z") from None
