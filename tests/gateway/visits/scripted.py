"""A driver that says what a test wants it to say, and a connection that exists in memory only."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers.contract import Bookmark, Card, Link, Out, Rx, Serial, Tx
from gateway.links.contract import Inbox
from vitals.block import Block
from vitals.errors import LinkError
from vitals.events import Fault

T0_NS = 1_790_000_000_000_000_000


def pulse(value: float, record: str | None = None) -> Block:
    return Block("pulse_rate", (T0_NS,), (value,), record=record)


class Scripted:
    """A driver of one word per packet: `p72` a pulse, `b72` a pulse and its release, `m9` a bookmark, `!` a bug."""

    card: ClassVar[Card] = Card(
        name="scripted",
        maker="test",
        model="script",
        link=Link.BLE,
        services=("1822",),
        notify=("2a5f",),
        read=("2a19",),
        quiet_s=0.2,
        channels=("pulse_rate",),
    )
    bookmarks: ClassVar[list[str]] = []

    def __init__(self, bookmark: str = "") -> None:
        self.bookmarks.append(bookmark)

    def hello(self, now_ns: int) -> Sequence[Tx]:
        return [Tx("2a52", b"hello")]

    def feed(self, rx: Rx) -> Iterator[Out]:
        for word in rx.data.decode().split():
            yield from self._word(word, rx)

    def _word(self, word: str, rx: Rx) -> Iterator[Out]:
        rest = word[1:]
        match word[0]:
            case "p":
                yield pulse(float(rest))
            case "b":
                yield pulse(float(rest))
                yield Tx("2a52", f"ack {rest}".encode(), after_stored=True)
            case "t":
                yield Tx("2a52", rest.encode())
            case "m":
                yield Bookmark(rest)
            case "l":
                yield Block("battery", (rx.t_ns,), (float(rest),))
            case "f":
                yield Fault("short packet", rest, rx.t_ns, rx.pipe, rx.data)
            case _:
                raise RuntimeError(f"no such word: {word}")


class OnSerial(Scripted):
    card: ClassVar[Card] = Card(
        name="on-serial",
        maker="test",
        model="script",
        link=Link.SERIAL,
        serial=Serial(115200),
        channels=("pulse_rate",),
    )

    def hello(self, now_ns: int) -> Sequence[Tx]:
        return [Tx("serial", b"hello\n")]


DRIVERS: dict[str, type[Scripted]] = {"scripted": Scripted, "on-serial": OnSerial}


class InMemory:
    """A connection whose device is the test: `arrive` is what it sends, `sent` what it got."""

    def __init__(self, *opening: str) -> None:
        self._inbox = Inbox()
        self.sent: list[str] = []
        self.closed = False
        self.on_send = lambda text: None
        for words in opening:
            self.arrive(words)

    def arrive(self, words: str, t_ns: int = T0_NS, mono_ns: int | None = None) -> None:
        self._inbox.put(Rx("2a5f", words.encode(), t_ns, mono_ns))

    def drop(self) -> None:
        self._inbox.end(LinkError("the device walked away", "bring it back"))

    def waiting(self) -> list[Rx]:
        return self._inbox.waiting()

    async def receive(self) -> list[Rx]:
        return await self._inbox.receive()

    async def send(self, pipe: str, data: bytes) -> None:
        self.sent.append(data.decode())
        self.on_send(data.decode())

    async def close(self) -> None:
        self.closed = True
