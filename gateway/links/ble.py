"""Bluetooth LE devices, through bleak's public API, the same over BlueZ and over Bumble.

*One scanner owner.* Scanning never stops for a connection. A home device wakes for seconds: it advertises, sends what
it has and sleeps; so an advert from a configured address queues a connection at once. An adapter holds few
connections (`gateway.links.slots`). A visit is

    connect → bond → settle → subscribe to the card's pipes → read them → hello → drain → quiet → disconnect → cool down

bonding and settling only where the card asks for it. The cool-down keeps a device that goes on advertising from being
visited without pause. What was read is handed on before what was told: a device that sends at once does so before its
clock was read, by which its record is dated.

*What has arrived is never taken back.* A device may send all it has within milliseconds, be confirmed by the stack
below us, and hang up before the visit has begun. What it told waits with its target, from connection to connection,
and is delivered though there is nobody to talk to any more. Over BlueZ it may even come between two visits
(`gateway.links.bluez`); it then begins one.

*A scanner dies silently* (a known way of BlueZ and of adapters): after SILENCE_S without a single advert it is
started anew. That costs nothing in a home where nothing advertises. When that did not help, the adapter is switched
off and on, after the 2nd silent round, the 4th, the 8th: a home may really be silent.

*Connecting is retried here*, a few times with short pauses (docs/decisions/0008 has why not with a library). An
attempt that ran into its time limit is not repeated: the device sleeps, and its next advert will bring the next visit.
What repeated failures say about a bond is in `gateway.links.recovery`.

*Some devices are only listened to* (`Link.ADVERT`): they put what they measured into their adverts and are never
connected to. Their visit begins with the first such advert, is fed the service data of all that follow, and ends when
no more come; it needs no connection of the adapter's.

An advert that some installed driver would take, from an address that is not configured, is a *stranger*: remembered
(the last MOST_STRANGERS) for the heartbeat, so that a person can see a device that waits to be added.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from drivers.catalogue import short_uuid, takes
from drivers.contract import Card, Link, Rx
from gateway.backoff import Backoff
from gateway.clock.steady import steady_ns
from gateway.links.contract import Connection, Inbox, NoPipe, Visit
from gateway.links.recovery import BondHistory, Remedy
from gateway.links.slots import Slots
from vitals.clock import Clock
from vitals.errors import LinkError

if TYPE_CHECKING:
    from gateway.links.bluez import BlueZ

ATTEMPTS = 3
ATTEMPT_PAUSE_S = 0.5
CONNECT_S = 15.0
START_S = 20.0
PREPARE_S = 20.0
DISCONNECT_S = 5.0
SILENCE_S = 90.0
CHECK_S = 30.0
RETRY_MOST_S = 30.0
MOST_STRANGERS = 16

TROUBLES = ("scan", "silence", "hung connection")
"""What goes wrong with an adapter: it does not scan, it hears nothing for long, it does not let go of a device."""

_TROUBLE = (BleakError, TimeoutError, OSError, EOFError)
"""What bleak and the D-Bus library below it raise when a device or the radio does not answer."""

_MENDS = {
    False: "bring the device closer, and see that no telephone holds it",
    True: "bring the device closer, put it into its pairing mode once, and see that no telephone holds it",
    "passkey": "bring the device closer; if that does not help, put it into its pairing mode and use `hjemvakt pair`",
}

log = logging.getLogger(__name__)


class Bonds(Protocol):
    """The bonds that a radio keeps. Addresses are in upper case; each raises BleakError."""

    async def bonded(self, address: str) -> bool:
        """Whether there is one with the device."""

    async def bond(self, address: str, client: BleakClient) -> None:
        """Make one with the device, to which `client` is connected; or make the link use the one there is."""

    async def forget(self, address: str) -> bool:
        """Throw it away; False when there was none."""


class Target:
    """A configured device: its address, its card, and the session that visits it. `name` is what people call it."""

    def __init__(self, address: str, card: Card, visit: Visit, name: str = "") -> None:
        self.address = address.upper()
        self.name = name or self.address
        self.card = card
        self.visit = visit
        self.advertised = asyncio.Event()
        """It advertised, or told something: it is worth a visit."""
        self.device: BLEDevice | None = None
        self.rssi_dbm = -127
        self.inbox = Inbox()
        self.bond = BondHistory(needs_person=card.pair == "passkey")
        self.pipes_forgotten = False

    def hear(self, device: BLEDevice, advert: AdvertisementData, t_ns: int) -> None:
        """An advert of this device, received at `t_ns`: worth a visit, unless it should tell something and does not."""
        self.device, self.rssi_dbm = device, advert.rssi
        if self.card.link is Link.ADVERT:
            told = {f"advert:{short_uuid(uuid)}": data for uuid, data in advert.service_data.items()}
            packets = [Rx(pipe, bytes(told[pipe]), t_ns, steady_ns()) for pipe in self.card.notify if pipe in told]
            if not packets:
                return
            for packet in packets:
                self.inbox.put(packet)
        self.advertised.set()

    def told(self, pipe: str, data: bytes, t_ns: int) -> None:
        """It told something on a pipe (a UUID), whether or not anybody visits."""
        for ours in self.card.notify:
            if short_uuid(ours) == short_uuid(pipe):
                self.inbox.put(Rx(ours, data, t_ns, steady_ns()))
                self.advertised.set()

    def open_inbox(self) -> Inbox:
        """The inbox for a new connection; what waits in an old one is in it."""
        if self.inbox.ended:
            before, self.inbox = self.inbox.waiting(), Inbox()
            self.inbox.lead(before)
        return self.inbox


class Radio:
    """One adapter. `scan()` and, for each target, `serve(target)` run for ever; the app starts them.

    `scanner` and `client` are what bleak's two classes are made with: nothing for BlueZ, a backend for Bumble. `bluez`
    is what BlueZ does beside bleak, `bonds` who keeps the bonds (without: bleak's own ways).
    """

    def __init__(
        self,
        targets: Sequence[Target],
        cards: Sequence[Card],
        clock: Clock,
        *,
        connections: int,
        cool_down_s: float,
        scanner: Mapping[str, Any],
        client: Mapping[str, Any],
        bonds: Bonds | None = None,
        bluez: "BlueZ | None" = None,
    ) -> None:
        self.targets = {target.address: target for target in targets}
        self.strangers: dict[str, str] = {}
        self._cards = [card for card in cards if card.link is not Link.SERIAL]
        self._clock = clock
        self._slots = Slots(connections)
        self._cool_down_s = cool_down_s
        self._scanner = scanner
        self._client = client
        self._bonds = bonds
        self._bluez = bluez
        self._renewed = bluez.renewed if bluez else asyncio.Event()
        self._last_advert_s = 0.0
        self._notes: dict[str, str] = {}
        self._troubles: Counter[str] = Counter()
        for target in targets:
            if bluez and target.card.link is Link.BLE:
                self._watch(bluez, target)

    def notes(self) -> list[str]:
        """Troubles that a person can do something about, a sentence each."""
        return [*(self._bluez.notes() if self._bluez else ()), *self._notes.values()]

    def troubles_so_far(self) -> dict[str, int]:
        """How often the adapter itself has failed since the start, by the words of TROUBLES."""
        return {trouble: self._troubles[trouble] for trouble in TROUBLES}

    def _watch(self, bluez: "BlueZ", target: Target) -> None:
        card = target.card

        def hear(pipe: str, data: bytes) -> None:
            target.told(pipe, data, self._clock.now_ns())

        bluez.watch(target.address, card.notify, hear, passkey=card.pair == "passkey")

    # Scanning

    async def scan(self) -> None:
        """Listen for adverts, whatever happens to the radio."""
        backoff = Backoff(RETRY_MOST_S)
        silent_rounds = 0
        while True:
            scanner = BleakScanner(self._on_advert, **self._scanner)
            try:
                async with asyncio.timeout(START_S):
                    await scanner.start()
                backoff.reset()
                silent_rounds = 0 if await self._silence() else silent_rounds + 1
                log.debug("the scanner is started anew: no advert for %.0f s, or another adapter", SILENCE_S)
            except _TROUBLE as error:
                log.warning("the radio does not scan (%s): tried again", error or type(error).__name__)
                self._troubles["scan"] += 1
                await self._switch_on()
                await self._pause(backoff.next_s())
            finally:
                with contextlib.suppress(*_TROUBLE):
                    async with asyncio.timeout(DISCONNECT_S):
                        await scanner.stop()
            await self._stir(silent_rounds)

    async def _silence(self) -> bool:
        """Returns when no advert came for SILENCE_S, or the adapter came anew. Whether there was any before that.

        It looks at the time now and then: adverts are frequent.
        """
        loop = asyncio.get_running_loop()
        began_s = self._last_advert_s = loop.time()
        while loop.time() - self._last_advert_s < SILENCE_S:
            if await self._pause(CHECK_S):
                return True
        return self._last_advert_s > began_s

    async def _pause(self, for_s: float) -> bool:
        """Wait, but no longer than until the adapter comes anew; True when it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                await self._renewed.wait()
        renewed = self._renewed.is_set()
        self._renewed.clear()
        return renewed

    async def _switch_on(self) -> None:
        """BlueZ does not scan with an adapter that is off, and a home hub's has no reason to be."""
        if self._bluez:
            with contextlib.suppress(*_TROUBLE):
                await self._bluez.power_on()

    async def _stir(self, silent_rounds: int) -> None:
        """Reset the adapter, if starting the scanner anew did not help and nobody is connected."""
        if not silent_rounds:
            self._notes.pop(_SCANNER, None)
        if self._bluez is None or silent_rounds < 2 or silent_rounds & (silent_rounds - 1) or self._slots.in_use:
            return
        silent_min = silent_rounds * SILENCE_S / 60
        self._notes[_SCANNER] = f"no Bluetooth advert for {silent_min:.0f} minutes, though the adapter was reset"
        log.warning("no advert for %.0f minutes: the adapter is switched off and on", silent_min)
        self._troubles["silence"] += 1
        with contextlib.suppress(*_TROUBLE):
            await self._bluez.power_cycle()

    # Visits

    async def serve(self, target: Target) -> None:
        """Visit the target each time it advertises."""
        backoff = Backoff(RETRY_MOST_S)
        while True:
            await target.advertised.wait()
            well = await self._visit(target)
            if well:
                backoff.reset()
            await asyncio.sleep(self._cool_down_s if well else backoff.next_s())

    async def _visit(self, target: Target) -> bool:
        if target.card.link is Link.ADVERT:
            return await target.visit(lambda: _overhear(target))
        async with self._slots.taken(0 if target.card.pair else 1):
            well = await target.visit(lambda: self._open(target))
            await self._let_go(target)
        target.advertised.clear()
        if target.inbox.waits:
            target.advertised.set()
        return well

    async def _let_go(self, target: Target) -> None:
        """See that the stack has ended the connection too: the next one would hang."""
        if self._bluez is None:
            return
        try:
            if await self._bluez.let_go(target.address):
                return
            log.warning("%s: BlueZ does not end the connection", target.name)
            self._troubles["hung connection"] += 1
            if self._slots.in_use == 1:
                await self._bluez.power_cycle()
        except _TROUBLE as error:
            log.debug("%s: %s", target.name, error)

    def _on_advert(self, device: BLEDevice, advert: AdvertisementData) -> None:
        self._last_advert_s = asyncio.get_running_loop().time()
        target = self.targets.get(device.address.upper())
        if target is not None:
            target.hear(device, advert, self._clock.now_ns())
        else:
            self._hear_stranger(device, advert)

    def _hear_stranger(self, device: BLEDevice, advert: AdvertisementData) -> None:
        services = [*advert.service_uuids, *advert.service_data]
        taking = [card for card in self._cards if takes(card, services, advert.local_name)]
        if taking:
            # A driver for the device's very name knows more of it than one for a service that many share.
            self._remember(device.address.upper(), max(taking, key=lambda card: bool(card.local_names)).name)

    def _remember(self, address: str, name: str) -> None:
        self.strangers.pop(address, None)
        self.strangers[address] = name
        if len(self.strangers) > MOST_STRANGERS:
            del self.strangers[next(iter(self.strangers))]

    async def _open(self, target: Target) -> Connection:
        """Connect, subscribe and read; raises LinkError."""
        if await self._has_gone(target):
            return Gone(target)
        bonded = await self._checked_bond(target)
        for attempt in range(1, ATTEMPTS + 1):
            connection = BleConnection(target, self._client, self._clock, self._bonds, self._bluez)
            try:
                await connection.prepare()
                target.bond.well()
                self._notes.pop(target.name, None)
                return connection
            except _TROUBLE as error:
                await connection.close()
                if target.inbox.waits:
                    return Gone(target)
                if bonded:
                    await self._mend_bond(target, error)
                if attempt == ATTEMPTS or isinstance(error, TimeoutError):
                    reason = str(error) or type(error).__name__
                    raise LinkError(
                        f"no connection to {target.address}, attempt {attempt} ({reason})", _MENDS[target.card.pair]
                    ) from error
            except _PipesMissing:
                await connection.close()
                await self._forget_pipes(target)
                raise
            except BaseException:
                await connection.close()
                raise
            await asyncio.sleep(ATTEMPT_PAUSE_S)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _has_gone(self, target: Target) -> bool:
        """Whether it told something and then went: there is nobody to connect to."""
        with contextlib.suppress(*_TROUBLE):
            return target.inbox.waits and self._bluez is not None and not await self._bluez.connected(target.address)
        return False

    async def _checked_bond(self, target: Target) -> bool:
        """Whether there is a bond; raises LinkError where there must be one and it takes a person to make it."""
        if self._bonds is None:
            return False
        try:
            bonded = await self._bonds.bonded(target.address)
        except _TROUBLE:
            return False
        if target.card.pair == "passkey" and not bonded:
            self._notes[target.name] = f"{target.name} is not paired: pair it once with `hjemvakt pair {target.name}`"
            raise LinkError(
                f"{target.address} is not paired, and nobody is here to type the digits it shows",
                f"pair it once with `hjemvakt pair {target.name}`",
            )
        return bonded

    async def _mend_bond(self, target: Target, error: Exception) -> None:
        """A connection to a bonded device failed: find out whether the bond is lost; raises LinkError when it is."""
        reason = "" if isinstance(error, TimeoutError) else str(error)
        remedy = target.bond.failed(reason, target.rssi_dbm)
        if remedy is Remedy.BOND_ANEW and self._bonds:
            with contextlib.suppress(*_TROUBLE):
                await self._bonds.forget(target.address)
        if remedy is not Remedy.NONE:
            text, mend = _LOST[remedy]
            self._notes[target.name] = f"{target.name}: {text}: {mend}"
            raise LinkError(f"{target.address}: {text} ({reason})", mend) from error

    async def _forget_pipes(self, target: Target) -> None:
        """BlueZ remembers the pipes of a device, at times those it had before: let it look again, once."""
        if self._bluez is None or target.pipes_forgotten:
            return
        target.pipes_forgotten = True
        if target.card.pair == "passkey":
            again = f"`hjemvakt pair {target.name} --forget`, then pair it anew"
            self._notes[target.name] = f"{target.name} seems to lack its pipes: {again}"
            return
        with contextlib.suppress(*_TROUBLE):
            await self._bluez.forget(target.address)


_SCANNER = "scanner"
_LOST = {
    Remedy.BOND_ANEW: ("the device has lost its bond", "it is made anew; if not, put the device into its pairing mode"),
    Remedy.ASK_A_PERSON: (
        "the device has lost its bond",
        "throw it away with `hjemvakt pair … --forget`, put the device into its pairing mode and pair it anew",
    ),
}


class _PipesMissing(LinkError):
    """A device has none of its card's pipes."""


class BleConnection:
    """A connected device. Pipes are named as the card spells them."""

    def __init__(
        self,
        target: Target,
        options: Mapping[str, Any],
        clock: Clock,
        bonds: Bonds | None = None,
        bluez: "BlueZ | None" = None,
    ) -> None:
        self._card = target.card
        self._address = target.address
        self._clock = clock
        self._bonds = bonds
        self._bluez = bluez
        self._inbox = target.open_inbox()
        self._client = BleakClient(
            target.device or target.address,
            disconnected_callback=lambda _: self._on_gone(),
            timeout=CONNECT_S,
            **options,
        )

    async def prepare(self) -> None:
        """Connect, then subscribe, then read: a device that sends as soon as it may finds us listening."""
        if self._bluez:
            self._bluez.gone.add(self._on_gone)
            await self._bluez.connect(self._address)
        async with asyncio.timeout(CONNECT_S + DISCONNECT_S):  # bleak's own limit first: it then tidies up
            await self._client.connect()
        async with asyncio.timeout(PREPARE_S):
            if self._card.pair:
                await self._bond()
            await asyncio.sleep(self._card.settle_s)
            if self._card.notify and not any(map(self._find, self._card.notify)):
                raise _PipesMissing(f"{self._address} has no pipe of a {self._card.name}", "see its driver and address")
            await self._subscribe()
            await self._read()

    async def _bond(self) -> None:
        if self._bonds:
            await self._bonds.bond(self._address, self._client)
            return
        # A system that pairs by itself, when it meets what is protected, has no such call.
        with contextlib.suppress(NotImplementedError):
            await self._client.pair()

    async def _subscribe(self) -> None:
        """To each pipe once: what stands already would be told twice."""
        standing = await self._bluez.subscribed(self._address) if self._bluez else set()
        for pipe in self._card.notify:
            characteristic = self._find(pipe)
            if characteristic and short_uuid(pipe) not in standing:
                await self._client.start_notify(characteristic, self._listener(pipe))

    async def _read(self) -> None:
        """Before what the device told meanwhile; with that even if it is gone before all is read."""
        read: list[Rx] = []
        try:
            for pipe in self._card.read:
                if characteristic := self._find(pipe):
                    data = await self._client.read_gatt_char(characteristic)
                    read.append(Rx(pipe, bytes(data), self._clock.now_ns(), steady_ns()))
        except BaseException:
            if self._inbox.waits:
                self._inbox.lead(read)
            raise
        self._inbox.lead(read)

    def waiting(self) -> list[Rx]:
        return self._inbox.waiting()

    async def receive(self) -> list[Rx]:
        return await self._inbox.receive()

    async def send(self, pipe: str, data: bytes) -> None:
        characteristic = self._find(pipe) if self._client.is_connected else None
        if characteristic is None:
            if self._inbox.ended:
                raise self._inbox.ended
            raise NoPipe(f"{self._address} has no pipe {pipe}", f"see that it is a {self._card.model}")
        try:
            await self._client.write_gatt_char(characteristic, data)
        except _TROUBLE as error:
            raise LinkError(f"{self._address} did not take a write to {pipe} ({error})", "it is tried again") from error

    async def close(self) -> None:
        self._inbox.end(LinkError(f"the connection to {self._address} was closed", "connect again"))
        if self._bluez:
            self._bluez.gone.discard(self._on_gone)
        with contextlib.suppress(*_TROUBLE):
            async with asyncio.timeout(DISCONNECT_S):
                await self._client.disconnect()

    def _find(self, pipe: str) -> BleakGATTCharacteristic | None:
        for characteristic in self._client.services.characteristics.values():
            if short_uuid(characteristic.uuid) == short_uuid(pipe):
                return characteristic
        return None

    def _listener(self, pipe: str) -> Any:
        def on_value(_: BleakGATTCharacteristic, data: bytearray) -> None:
            self._inbox.put(Rx(pipe, bytes(data), self._clock.now_ns(), steady_ns()))

        return on_value

    def _on_gone(self) -> None:
        self._inbox.end(LinkError(f"{self._address} ended the connection", "it is visited when it advertises again"))


async def _overhear(target: Target) -> Connection:
    return Overheard(target)


class Overheard:
    """A device that is only listened to, as a connection without a way back.

    What it told waits with the target, from visit to visit; taking it is what ends `advertised`, so that an advert that
    comes while a visit ends begins the next.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    def waiting(self) -> list[Rx]:
        self._target.advertised.clear()
        return self._target.inbox.waiting()

    async def receive(self) -> list[Rx]:
        burst = await self._target.inbox.receive()
        self._target.advertised.clear()
        return burst

    async def send(self, pipe: str, data: bytes) -> None:
        raise LinkError(f"{self._target.address} is only listened to: nothing was sent to {pipe}", "mend its driver")

    async def close(self) -> None:
        self._target.open_inbox()


class Gone:
    """A device that told something and went before it could be visited: what it told, and nobody to talk to."""

    def __init__(self, target: Target) -> None:
        self._address = target.address
        self._inbox = target.inbox
        self._inbox.end(self._error())

    def waiting(self) -> list[Rx]:
        return self._inbox.waiting()

    async def receive(self) -> list[Rx]:
        return await self._inbox.receive()

    async def send(self, pipe: str, data: bytes) -> None:
        raise self._error()

    async def close(self) -> None:
        """Nothing is open."""

    def _error(self) -> LinkError:
        return LinkError(f"{self._address} has gone already", "it is visited when it advertises again")
