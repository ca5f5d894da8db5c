"""Bluetooth LE devices, through bleak's public API, the same over BlueZ and over Bumble.

*One scanner owner.* Scanning never stops for a connection. A home device wakes for seconds: it advertises, sends what
it has and sleeps; so an advert from a configured address queues a connection at once. An adapter holds few
connections, so a semaphore queues the rest. A visit is

    connect → bond → settle → subscribe to the card's pipes → read them → hello → drain → quiet → disconnect → cool down

bonding and settling only where the card asks for it. The cool-down keeps a device that goes on advertising from being
visited without pause.

*A scanner dies silently* (a known way of BlueZ and of adapters): after SILENCE_S without a single advert it is
started anew. That costs nothing in a home where nothing advertises.

*Connecting is retried here*, a few times with short pauses, and not with bleak-retry-connector: that library asks
BlueZ over D-Bus about every device, which a hub without BlueZ has not got, and both radios shall take one path. An
attempt that ran into its time limit is not repeated: the device sleeps, and its next advert will bring the next visit.

*Some devices are only listened to* (`Link.ADVERT`): they put what they measured into their adverts and are never
connected to. Their visit begins with the first such advert, is fed the service data of all that follow, and ends when
no more come; it needs no connection of the adapter's.

An advert that some installed driver would take, from an address that is not configured, is a *stranger*: remembered
(the last MOST_STRANGERS) for the heartbeat, so that a person can see a device that waits to be added.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from drivers.catalogue import short_uuid, takes
from drivers.contract import Card, Link, Rx
from gateway.backoff import Backoff
from gateway.link import Connection, Inbox, Visit
from vitals.clock import Clock
from vitals.errors import LinkError

ATTEMPTS = 3
ATTEMPT_PAUSE_S = 0.5
CONNECT_S = 15.0
PREPARE_S = 20.0
DISCONNECT_S = 5.0
SILENCE_S = 90.0
CHECK_S = 30.0
RETRY_MOST_S = 30.0
MOST_STRANGERS = 16

_TROUBLE = (BleakError, TimeoutError, OSError, EOFError)
"""What bleak and the D-Bus library below it raise when a device or the radio does not answer."""

_MENDS = {
    False: "bring the device closer, and see that no telephone holds it",
    True: "bring the device closer, put it into its pairing mode once, and see that no telephone holds it",
}

log = logging.getLogger(__name__)


class Target:
    """A configured device: its address, its card, and the session that visits it."""

    def __init__(self, address: str, card: Card, visit: Visit) -> None:
        self.address = address.upper()
        self.card = card
        self.visit = visit
        self.advertised = asyncio.Event()
        self.device: BLEDevice | None = None
        self.overheard = Inbox()

    def hear(self, device: BLEDevice, advert: AdvertisementData, t_ns: int) -> None:
        """An advert of this device, received at `t_ns`: worth a visit, unless it should tell something and does not."""
        self.device = device
        if self.card.link is Link.ADVERT:
            told = {f"advert:{short_uuid(uuid)}": data for uuid, data in advert.service_data.items()}
            packets = [Rx(pipe, bytes(told[pipe]), t_ns) for pipe in self.card.notify if pipe in told]
            if not packets:
                return
            for packet in packets:
                self.overheard.put(packet)
        self.advertised.set()


class Radio:
    """One adapter. `scan()` and, for each target, `serve(target)` run for ever; the app starts them.

    `scanner` and `client` are what bleak's two classes are made with: nothing for BlueZ, a backend for Bumble.
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
    ) -> None:
        self.targets = {target.address: target for target in targets}
        self.strangers: dict[str, str] = {}
        self._cards = [card for card in cards if card.link is not Link.SERIAL]
        self._clock = clock
        self._slots = asyncio.Semaphore(connections)
        self._cool_down_s = cool_down_s
        self._scanner = scanner
        self._client = client
        self._last_advert_s = 0.0

    async def scan(self) -> None:
        """Listen for adverts, whatever happens to the radio."""
        backoff = Backoff(RETRY_MOST_S)
        while True:
            scanner = BleakScanner(self._on_advert, **self._scanner)
            try:
                await scanner.start()
                backoff.reset()
                await self._silence()
                log.debug("no advert for %.0f s: the scanner is started anew", SILENCE_S)
            except _TROUBLE as error:
                log.warning("the radio does not scan (%s): tried again", error)
                await asyncio.sleep(backoff.next_s())
            finally:
                with contextlib.suppress(*_TROUBLE):
                    await scanner.stop()

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
        async with self._slots:
            well = await target.visit(lambda: self._open(target))
        target.advertised.clear()
        return well

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

    async def _silence(self) -> None:
        """Returns when no advert came for SILENCE_S. It looks at the time now and then: adverts are frequent."""
        loop = asyncio.get_running_loop()
        self._last_advert_s = loop.time()
        while loop.time() - self._last_advert_s < SILENCE_S:  # noqa: ASYNC110 - an event would come with every advert
            await asyncio.sleep(CHECK_S)

    async def _open(self, target: Target) -> Connection:
        """Connect, subscribe and read; raises LinkError."""
        for attempt in range(1, ATTEMPTS + 1):
            connection = BleConnection(target, self._client, self._clock)
            try:
                await connection.prepare()
                return connection
            except _TROUBLE as error:
                await connection.close()
                if attempt == ATTEMPTS or isinstance(error, TimeoutError):
                    reason = str(error) or type(error).__name__
                    raise LinkError(
                        f"no connection to {target.address}, attempt {attempt} ({reason})",
                        _MENDS[bool(target.card.pair)],
                    ) from error
            except BaseException:
                await connection.close()
                raise
            await asyncio.sleep(ATTEMPT_PAUSE_S)
        raise AssertionError("unreachable: the last attempt returns or raises")


class BleConnection:
    """A connected device. Pipes are named as the card spells them."""

    def __init__(self, target: Target, options: Mapping[str, Any], clock: Clock) -> None:
        self._card = target.card
        self._address = target.address
        self._clock = clock
        self._inbox = Inbox()
        self._client = BleakClient(
            target.device or target.address, disconnected_callback=self._on_gone, timeout=CONNECT_S, **options
        )

    async def prepare(self) -> None:
        """Connect, then subscribe, then read: a device that sends as soon as it may finds us listening."""
        async with asyncio.timeout(CONNECT_S):
            await self._client.connect()
        async with asyncio.timeout(PREPARE_S):
            if self._card.pair:
                # A system that pairs by itself, when it meets what is protected, has no such call.
                with contextlib.suppress(NotImplementedError):
                    await self._client.pair()
            await asyncio.sleep(self._card.settle_s)
            if self._card.notify and not any(map(self._find, self._card.notify)):
                raise LinkError(f"{self._address} has no pipe of a {self._card.name}", "see its driver and address")
            for pipe in self._card.notify:
                if characteristic := self._find(pipe):
                    await self._client.start_notify(characteristic, self._listener(pipe))
            for pipe in self._card.read:
                if characteristic := self._find(pipe):
                    self._arrived(pipe, await self._client.read_gatt_char(characteristic))

    def waiting(self) -> list[Rx]:
        return self._inbox.waiting()

    async def receive(self) -> list[Rx]:
        return await self._inbox.receive()

    async def send(self, pipe: str, data: bytes) -> None:
        characteristic = self._find(pipe) if self._client.is_connected else None
        if characteristic is None:
            if self._inbox.ended:
                raise self._inbox.ended
            raise LinkError(f"{self._address} has no pipe {pipe}", f"see that it is a {self._card.model}")
        try:
            await self._client.write_gatt_char(characteristic, data)
        except _TROUBLE as error:
            raise LinkError(f"{self._address} did not take a write to {pipe} ({error})", "it is tried again") from error

    async def close(self) -> None:
        self._inbox.end(LinkError(f"the connection to {self._address} was closed", "connect again"))
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
            self._arrived(pipe, data)

        return on_value

    def _arrived(self, pipe: str, data: bytearray) -> None:
        self._inbox.put(Rx(pipe, bytes(data), self._clock.now_ns()))

    def _on_gone(self, _: BleakClient) -> None:
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
        return self._target.overheard.waiting()

    async def receive(self) -> list[Rx]:
        burst = await self._target.overheard.receive()
        self._target.advertised.clear()
        return burst

    async def send(self, pipe: str, data: bytes) -> None:
        raise LinkError(f"{self._target.address} is only listened to: nothing was sent to {pipe}", "mend its driver")

    async def close(self) -> None:
        if self._target.overheard.ended:
            self._target.overheard = Inbox()
