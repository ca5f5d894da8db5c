"""A simulated device and the driver that must read it, on a bench: no radio, no line, no clock but the test's.

The bench plays what stands between the two: the link (connect, subscribe, read, confirm) and the session (a driver made
anew for each connection with the last bookmark; what it yields is stored before anything `after_stored` is sent). So a
device lives days in a second, and every reading that was stored can be held against what its display showed.

    bench = Bench("scale", drift_ppm=40)
    bench.live(hours=48)
    assert bench.missing() == [] and bench.unshown() == []

With `cuts=True` every connection to a device on the air is lost at its first confirmation, the next at its second, and
so on, until one comes to its end: once before the packet has arrived, once after it has and before the device learns
of it. A stream, which has no end, is left alone after a few.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

from drivers.catalogue import find as find_driver
from drivers.contract import Bookmark, Driver, Rx, Tx
from firmware_sim.config import DeviceConfig, HomeConfig, SimConfig
from firmware_sim.device import Broadcaster, Can, Happening, Instrument, Peripheral, Refused, Streaming
from firmware_sim.household import Household
from firmware_sim.kinds import find as find_kind
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event, Fault

START_NS = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * NS
SCENARIOS = Path(__file__).parents[2] / "configs" / "scenarios"
REACTION_NS = NS
"""From the advert to the connection."""
CUTS_OF_A_STREAM = 4
NAMES_A_CHANNEL = frozenset(
    {"spo2", "pulse_rate", "perfusion_index", "weight", "resp_rate", "body_temp", "bp_sys", "bp_dia", "bp_map",
     "glucose", "heart_rate", "bmi", "body_fat"}
)  # fmt: skip
"""Keys of a Happening that say what a display showed."""


class Value(NamedTuple):
    """One value of one channel, shown or stored."""

    channel: str
    t_ns: int
    value: float


class Bench:
    """One device of `kind` in the hands of the person of `scenario`; the other arguments are those of DeviceConfig."""

    def __init__(
        self, kind: str, *, scenario: str = "stable", seed: int = 1, cuts: bool = False, **device: Any
    ) -> None:
        self.kind = find_kind(kind)
        config = DeviceConfig(kind, "bench-1", **{"serial": "BENCH1", **device})
        home = HomeConfig("bench", str(SCENARIOS / f"{scenario}.toml"), devices=(config,))
        self.house = Household(SimConfig((home,), seed=seed, start_ns=START_NS), home, woken_ns=START_NS)
        self.firmware: Any = self.house.firmware(config)
        self.driver: type[Driver] = find_driver(self.kind.driver)
        self.now_ns = START_NS
        self.drift_ppm = config.drift_ppm
        self.cuts = cuts
        self.bookmark = ""
        self.happenings: list[Happening] = []
        self.stored: list[Block | Event] = []
        self.faults: list[Fault] = []
        self.connections = 0
        self._silent_s = 0.0

    # Living

    def live(self, *, hours: float, listen_s: float = 20, reads: bool = True) -> None:
        """Let time pass from one thing the device does to the next, and read it each time.

        A stream (a serial line's, or that of what is worn) is listened to for `listen_s` each time. `reads=False`:
        nobody is there to read.
        """
        end_ns = self.now_ns + round(hours * 3600 * NS)
        while self.now_ns < end_ns:
            self.update()
            if reads:
                self.read(listen_s)
            wake_ns = self.firmware.wake_ns
            self.now_ns = min(end_ns, max(self.now_ns + 1, end_ns if wake_ns is None else wake_ns))

    def update(self) -> None:
        """Bring the device to now."""
        self.happenings += self.firmware.update(self.now_ns, self.house.body.truth)

    def read(self, listen_s: float = 20) -> None:
        """One visit to a device that has something to say (a serial line is always listened to)."""
        match self.kind.link:
            case "serial":
                self._listen(cast(Instrument, self.firmware), listen_s)
            case "advert":
                self._overhear(cast(Broadcaster, self.firmware))
            case _:
                allowed = 0
                while self.firmware.has_news:
                    cut = self.cuts and not (isinstance(self.firmware, Streaming) and allowed == CUTS_OF_A_STREAM)
                    for heard in (False, True) if cut else (True,):
                        if self._visit(self.firmware, listen_s, allowed if cut else None, heard):
                            return
                    allowed += 1

    # On the air

    def _visit(self, device: Peripheral, listen_s: float, cut_after: int | None, heard: bool) -> bool:
        """Connect, and talk until the device is quiet. `cut_after` so many confirmations the link is lost, the last
        packet `heard` by the gateway though its confirmation never reached the device. Whether it came to its end."""
        self.connections += 1
        self.now_ns += REACTION_NS
        self.update()
        talk = _Talk(self)
        device.connected()
        try:
            card = self.driver.card
            has = {pipe.uuid: pipe for pipe in device.pipes}
            for pipe in card.notify:
                if pipe in has:
                    assert has[pipe].can & (Can.NOTIFY | Can.INDICATE), f"{pipe} cannot be subscribed to"
                    device.subscribed(pipe, True)
            for pipe in card.read:
                if pipe in has and has[pipe].can & Can.READ:
                    talk.hear(pipe, device.read(pipe, self.now_ns))
            talk.greet()
            confirmed = 0
            for _ in self._moments(device, listen_s):
                while (send := device.next_send()) is not None:
                    if confirmed == cut_after:
                        if heard:
                            talk.gone = True
                            talk.hear(send.pipe, send.data)
                        return False
                    confirmed += 1
                    device.confirmed(send)  # by the gateway's radio, before any of its software has seen the packet
                    talk.hear(send.pipe, send.data)
            return True
        finally:
            device.disconnected()

    def _moments(self, device: Peripheral, listen_s: float) -> Iterator[None]:
        """Now; and for one that streams, each time it says more."""
        yield
        if isinstance(device, Streaming):
            for _ in range(round(listen_s / device.pace_s)):
                self.now_ns += round(device.pace_s * NS)
                self.update()
                device.tick(self.now_ns, self.house.body.truth)
                yield

    def _overhear(self, device: Broadcaster) -> None:
        told = device.advert()
        if told is None:
            return
        talk = _Talk(self)
        for _ in range(3):
            talk.hear(f"advert:{told[0]}", told[1])

    # On the line

    def _listen(self, device: Instrument, listen_s: float) -> None:
        if not self.connections:
            self.connections = 1
            self._line = _Talk(self)
            self._line.greet()
        for frame in device.unasked():
            self._line.hear("serial", frame)
        if device.pace_s is None:
            return
        for _ in range(round(listen_s / device.pace_s)):
            self.now_ns += round(device.pace_s * NS)
            self.update()
            frames = [*device.unasked(), *device.tick(self.now_ns, self.house.body.truth)]
            for frame in frames:
                self._line.hear("serial", frame)
            self._silent_s = 0.0 if frames else self._silent_s + device.pace_s
            if self._silent_s > (self.driver.card.silence_s or float("inf")):
                self._silent_s = 0.0
                self._line.greet()

    def answers(self, tx: Tx) -> Iterator[Rx]:
        """What a serial device answers to `tx`; a device on the air answers by `next_send`."""
        if self.kind.link == "serial":
            for frame in list(self.firmware.receive(tx.data, self.now_ns)):
                yield Rx("serial", frame, self.now_ns)
            return
        try:
            self.firmware.write(tx.pipe, tx.data, self.now_ns)
        except (Refused, KeyError) as refused:
            if tx.if_there and tx.pipe not in {pipe.uuid for pipe in self.firmware.pipes}:
                return
            raise AssertionError(f"{tx} of {self.driver.card.name} was refused: {refused!r}") from refused

    # What came of it

    @property
    def shown(self) -> list[Value]:
        """What the display showed since the story began and before it, oldest first."""
        return [
            Value(channel, happening.t_ns, float(value))
            for happening in self.happenings
            for channel, value in happening.data.items()
            if channel in NAMES_A_CHANNEL
        ]

    @property
    def values(self) -> list[Value]:
        """What was stored, each clinical identity once (as the server keeps it)."""
        kept: dict[tuple[str, object], Value] = {}
        for block in self.stored:
            if isinstance(block, Block):
                for t_ns, value in zip(block.t_ns, block.value, strict=True):
                    identity = block.record or (block.device_t_ns if len(block.t_ns) == 1 else None) or t_ns
                    kept.setdefault((block.channel, identity), Value(block.channel, t_ns, value))
        return list(kept.values())

    def missing(self, within_s: float = 2.0) -> list[Value]:
        """What was shown and is not among the stored, at its time give or take `within_s`."""
        return self._unmatched(self.shown, self.values, within_s)

    def unshown(self, within_s: float = 2.0, *, repeats: bool = False) -> list[Value]:
        """What was stored and never shown, or stored twice, of the channels the display shows. `repeats`: a stream may
        tell what is shown again and again."""
        channels = {value.channel for value in self.shown}
        stored = [value for value in self.values if value.channel in channels]
        return self._unmatched(stored, self.shown, within_s, repeats=repeats)

    def _unmatched(
        self, wanted: list[Value], found: list[Value], within_s: float, *, repeats: bool = False
    ) -> list[Value]:
        """Those of `wanted` without a partner (of their own, unless it `repeats`) in `found`."""
        left = sorted(found, key=lambda value: value.t_ns)
        without = []
        for value in sorted(wanted, key=lambda value: value.t_ns):
            partner = next((one for one in left if self._same(value, one, within_s)), None)
            if partner is None:
                without.append(value)
            elif not repeats:
                left.remove(partner)
        return without

    def _same(self, one: Value, other: Value, within_s: float) -> bool:
        """Nobody can know how far a clock had drifted before it was read for the first time: that is forgiven."""
        drifted_ns = max(0, START_NS - one.t_ns) * abs(self.drift_ppm) * 1e-6
        near = abs(one.t_ns - other.t_ns) <= within_s * NS + drifted_ns
        return one.channel == other.channel and near and abs(one.value - other.value) < 0.006


class _Talk:
    """The session's part of one connection: a new driver, and what it says carried out to the letter."""

    gone = False
    """The connection is lost: nothing that is sent arrives."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._driver = bench.driver(bench.bookmark)

    def greet(self) -> None:
        for tx in self._driver.hello(self._bench.now_ns):
            self._send(tx)

    def hear(self, pipe: str, data: bytes) -> None:
        bench = self._bench
        held = []
        for out in self._driver.feed(Rx(pipe, data, bench.now_ns)):
            match out:
                case Bookmark(text):
                    bench.bookmark = text
                case Tx() if held or out.after_stored:
                    held.append(out)
                case Tx():
                    self._send(out)
                case Fault():
                    bench.faults.append(out)
                case _:
                    bench.stored.append(out)
        for tx in held:
            self._send(tx)

    def _send(self, tx: Tx) -> None:
        if self.gone:
            return
        for rx in self._bench.answers(tx):
            self.hear(rx.pipe, rx.data)
