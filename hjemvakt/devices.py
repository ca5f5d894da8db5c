"""`hjemvakt devices` and `hjemvakt decode`: which devices are known, and what their bytes mean.

Both only put the drivers to use; no device, radio or gateway is needed. What a driver gives becomes *tellings*: flat
dictionaries, one for each sample, event, fault, request and bookmark. A program gets them as JSON, a person as lines.
A value is written with the decimals its device reported, in both: 2.00 is not 2, and no value is never a number.
"""

import argparse
import math
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from drivers import capture
from drivers.catalogue import catalogue, find, short_uuid
from drivers.contract import Bookmark, Card, Link, Out, Rx, Tx
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.clock import MS, NS, RunningClock
from vitals.errors import ConfigError, reason
from vitals.events import Event, Fault

Telling = dict[str, Any]

WIDTH = 100
GAP = "  "
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The list of drivers


def devices(argv: Sequence[str]) -> int:
    """The command `devices`; returns the exit code. Raises ConfigError for a name that is not there."""
    asked = _devices_parser().parse_args(argv)
    if asked.name is None:
        cards = [driver.card for driver in catalogue().values()]
        print(_json([_about(card) for card in cards]) if asked.json else "\n".join(_table(cards)))
    else:
        card = find(asked.name).card
        print(_json(_about(card)) if asked.json else "\n".join(_sheet(card)))
    return 0


def _devices_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt devices",
        description="The devices Hjemvakt can read, by the name of their driver. That name is the word for `driver`\n"
        "in a gateway's configuration, and for `hjemvakt decode`. A device that is not here needs one\n"
        "file: see docs/add-a-device.md.",
        epilog="examples\n  hjemvakt devices\n  hjemvakt devices plx-1822      all that its card says, and its source\n"
        "  hjemvakt devices --json        the cards as one JSON array",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="show one driver's card in full")
    parser.add_argument("--json", action="store_true", help="for a program: an array of cards, or with NAME one card")
    return parser


def recognised(card: Card) -> str:
    """How a device of this card is found: by service and name in its advert, or at a line with these settings."""
    if card.serial is not None:
        return f"{card.serial.baud} baud, {card.serial.bits}{card.serial.parity}{card.serial.stop}"
    services = " or ".join(map(_abbreviated, card.services))
    names = " or ".join(f"{name}…" for name in card.local_names)
    return " and ".join([f"service {services}"] * bool(services) + [f"name {names}"] * bool(names))


def _abbreviated(uuid: str) -> str:
    return uuid if len(uuid) <= len("181d") else f"{uuid[:8]}-…"


def _table(cards: Sequence[Card]) -> Iterator[str]:
    """One row a driver, in columns that are WIDTH wide together; a cell that is too long goes on below."""
    head = ("NAME", "DEVICE", "LINK", "TELLS", "RECOGNISED BY")
    name_width = max(len(card.name) for card in cards)
    widths = (name_width, 25, 6, 19, WIDTH - name_width - 25 - 6 - 19 - 4 * len(GAP))
    yield _aligned(head, widths)
    for card in cards:
        cells = (
            card.name,
            _device(card),
            card.link.value,
            ", ".join((*card.channels, *_families(card.events))),
            recognised(card),
        )
        wrapped = [
            textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(cells, widths, strict=True)
        ]
        for row in range(max(map(len, wrapped))):
            yield _aligned([lines[row] if row < len(lines) else "" for lines in wrapped], widths)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _device(card: Card) -> str:
    return f"{card.maker} {card.model}"


def _families(events: Iterable[str]) -> list[str]:
    """`dispenser.due`, `dispenser.missed`, … as `dispenser.*`; one alone by its name."""
    families: dict[str, list[str]] = {}
    for event in events:
        families.setdefault(event.partition(".")[0], []).append(event)
    return [names[0] if len(names) == 1 else f"{family}.*" for family, names in families.items()]


def _sheet(card: Card) -> Iterator[str]:
    """One card in full, a field a line; fields that are empty are left out."""
    quiet = () if card.link is Link.SERIAL else (f"after {card.quiet_s:g} s without a packet it has told all it had",)
    pairing = {False: (), True: ("must be bonded",), "passkey": ("must be bonded, with the number it shows",)}
    fields: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("device", (_device(card),)),
        ("link", (card.link.value,)),
        ("channels", tuple(f"{name} ({CHANNELS[name].unit})" for name in card.channels)),
        ("events", card.events),
        ("services", card.services),
        ("local names", tuple(f"{name}…" for name in card.local_names)),
        ("line", (recognised(card),) if card.serial else ()),
        ("listens to", card.notify),
        ("reads", card.read),
        ("writes", card.write),
        ("quiet", quiet),
        ("settles", (f"{card.settle_s:g} s before it takes a subscription",) if card.settle_s else ()),
        ("pairing", pairing[card.pair]),
        ("source", (card.source,)),
    )
    indent = max(len(label) for label, _ in fields) + len(GAP)
    yield card.name
    for label, words in fields:
        if words:
            yield from textwrap.wrap(
                f"{label:<{indent}}{', '.join(words)}",
                WIDTH,
                subsequent_indent=" " * indent,
                break_on_hyphens=False,
                break_long_words=False,
            )


def _about(card: Card) -> Telling:
    return {**msgspec.to_builtins(card), "recognised": recognised(card)}


# What bytes mean


def decode(argv: Sequence[str]) -> int:
    """The command `decode`; returns the exit code. Raises ConfigError for what cannot be decoded."""
    asked = _decode_parser().parse_args(argv)
    driver = find(asked.driver)
    file = _file(asked.bytes)
    if file is None:
        pipe = _pipe(driver.card, asked.pipe)
        t_ns = RunningClock().now_ns() // MS * MS if asked.at is None else _ns(asked.at)
        heard = [(t_ns, tuple(driver().feed(Rx(pipe, _hex(" ".join(asked.bytes)), t_ns))))]
    else:
        if asked.pipe is not None or asked.at is not None:
            raise ConfigError("--pipe and --at are for HEX", "leave them out: a capture says its own")
        taken = _capture(file)
        if taken.driver != asked.driver:
            print(f"hjemvakt: {file} is of {taken.driver}, read here as {asked.driver}", file=sys.stderr)
        heard = [(step.t_ns, outs) for step, outs in capture.play(taken, driver)]
    told = [telling for t_ns, outs in heard for out in outs for telling in tellings(out, t_ns)]
    for telling in told:
        print(_json(telling) if asked.json else _line(telling))
    if not told:
        print("hjemvakt: these bytes tell nothing (yet): half a packet, or a state without a reading", file=sys.stderr)
    return 0


def _decode_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt decode",
        description="What bytes of a device mean, a line for each reading, event and fault. Nothing is sent or stored.",
        epilog="examples\n"
        "  hjemvakt decode gls-1808 07 01 00 e3 07 08 15 06 1f 0d b4 00 3b c0 f1\n"
        "  hjemvakt decode plx-1822 --pipe 2a5f --at 2026-11-21T08:00:00Z 0x00:61:00:48:00\n"
        "  hjemvakt decode xiaomi-scale 229e43e507040b101301 --json\n"
        "  hjemvakt decode plx-1822 tests/drivers/captures/plx-1822-normal.cap\n\n"
        "With --json each line is an object: kind (block, event, fault, send, bookmark), and of channel, unit, value,\n"
        "t, device_t, status, record, code, text, data, data_hex and pipe those it has. Times are UTC.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("driver", metavar="DRIVER", help="whose bytes they are; `hjemvakt devices` lists the names")
    parser.add_argument(
        "bytes", nargs="+", metavar="HEX|FILE.cap", help="bytes in hex (spaces, colons and 0x may stand), or a capture"
    )
    parser.add_argument(
        "--pipe",
        metavar="UUID",
        help="the characteristic they came on, in short or full form; if not given, the first on the driver's card",
    )
    parser.add_argument("--at", metavar="ISO", help="when they arrived, as 2026-11-21T08:00:00Z (default: now)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def tellings(out: Out, t_ns: int) -> Iterator[Telling]:
    """What a driver gave at `t_ns`, flat and without empty fields: one, or one for each sample of a Block."""
    match out:
        case Block():
            yield from _samples(out)
        case Event(kind, event_ns, data, record, device_ns):
            when = {"t": _iso(event_ns), "device_t": _iso(device_ns), "record": record}
            yield _present({"kind": "event", "code": kind, "data": data, **when})
        case Fault(code, text, fault_ns, pipe, data, channel):
            where = {"channel": channel, "t": _iso(fault_ns), "pipe": pipe, "data_hex": data.hex()}
            yield _present({"kind": "fault", "code": code, "text": text, **where})
        case Tx(pipe, data, after_stored):
            held = ["after_stored"] if after_stored else []
            yield _present({"kind": "send", "t": _iso(t_ns), "pipe": pipe, "data_hex": data.hex(), "status": held})
        case Bookmark(text):
            yield {"kind": "bookmark", "text": text}


def _samples(block: Block) -> Iterator[Telling]:
    same = {"status": list(block.status), "record": block.record, "device_t": _iso(block.device_t_ns)}
    for t_ns, value in zip(block.t_ns, block.value, strict=True):
        what = {"channel": block.channel, "t": _iso(t_ns)}
        if math.isfinite(value):
            number = msgspec.Raw(f"{value:.{block.decimals}f}".encode())
            unit = CHANNELS[block.channel].unit
            yield _present({"kind": "block", **what, "value": number, "unit": unit, **same})
        else:
            yield {"kind": "fault", "code": "driver bug", "text": "a block of a value that is no number", **what}


def _present(telling: Telling) -> Telling:
    return {key: value for key, value in telling.items() if value not in (None, "", [], {})}


def _line(telling: Telling) -> str:
    """A telling as a person reads it."""
    head, *rest = {
        "block": ("channel", "value", "unit", "t", "status", "record", "device_t"),
        "event": ("code", "data", "t", "record", "device_t"),
        "fault": ("code", "text", "t", "pipe", "data_hex"),
        "send": ("pipe", "data_hex", "status"),
        "bookmark": ("text",),
    }[telling["kind"]]
    words = [f"{telling['kind']:<8}", f"{telling.get(head, ''):<16}"]
    words += [_word(key, telling[key]) for key in rest if key in telling]
    return GAP.join(words).rstrip()


def _word(key: str, value: Any) -> str:
    match key:
        case "value":
            return bytes(value).decode()
        case "status":
            return ", ".join(value)
        case "data":
            return " ".join(f"{name}={one}" for name, one in value.items())
        case "data_hex":
            return bytes.fromhex(value).hex(" ")
        case "record" | "device_t":
            return f"{key.removesuffix('_t')} {value}"
    return str(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# What was asked


def _file(words: Sequence[str]) -> Path | None:
    """The capture that is meant, where it is one."""
    path = Path(words[0])
    return path if len(words) == 1 and (path.suffix == ".cap" or path.is_file()) else None


def _capture(path: Path) -> capture.Capture:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({reason(error)})", "name a capture, or write the bytes in hex"
        ) from error
    return capture.parse(text, str(path))


def _hex(text: str) -> bytes:
    """The bytes in `text`; raises ConfigError that says at which character it stops being hexadecimal."""
    mend = "write two digits for each byte, as 06 61 00, 06:61:00 or 0x066100"
    data = b""
    for word in re.finditer(r"[^\s:,-]+", text):
        at, digits = word.start() + 1, word[0]
        if digits[:2].lower() == "0x":
            at, digits = at + 2, digits[2:]
        if bad := re.search(r"[^0-9A-Fa-f]", digits):
            raise ConfigError(f"{bad[0]!r}, character {at + bad.start()}, is no hexadecimal digit", mend)
        if len(digits) % 2 or not digits:
            raise ConfigError(f"{word[0]!r}, from character {word.start() + 1}, is not in whole bytes", mend)
        data += bytes.fromhex(digits)
    if not data:
        raise ConfigError("there are no bytes", mend)
    return data


def _pipe(card: Card, asked: str | None) -> str:
    """The pipe that is meant; raises ConfigError that says which there are."""
    pipes = ("serial",) if card.link is Link.SERIAL else (*card.notify, *card.read)
    if asked is None:
        return pipes[0]
    short = short_uuid(asked.lower().removeprefix("0x").removeprefix("advert:").removeprefix("0x"))
    for pipe in pipes:
        if short == pipe.removeprefix("advert:"):
            return pipe
    raise ConfigError(f"{card.name} has no pipe {asked!r}", f"it has {', '.join(pipes)}")


def _ns(text: str) -> int:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--at {text!r} is no date", "write it as 2026-11-21T08:00:00Z") from None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def _iso(t_ns: int | None) -> str | None:
    if t_ns is None:
        return None
    seconds, fraction_ns = divmod(t_ns, NS)
    whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return whole + (f".{fraction_ns:09d}".rstrip("0") if fraction_ns else "") + "Z"
