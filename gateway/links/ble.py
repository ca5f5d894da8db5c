"""Bluetooth LE devices, through bleak's public API, the same over BlueZ and over Bumble.

*One scanner owner.* Scanning never stops for a connection. A home device wakes for seconds: it advertises, sends what
it has and sleeps; so an advert from a configured address queues a connection at once. An adapter holds few
connections (`gateway.links.slots`). A visit is

    connect and prepare (`gateway.links.gatt`) → hello → drain → quiet → disconnect → cool down

The cool-down keeps a device that goes on advertising from being visited without pause. What a device told before
anybody visited it waits with its target (`gateway.links.target`). Over BlueZ that may even come between two visits
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
from typing import TYPE_CHECKING, Any

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from drivers.catalogue import takes
from drivers.contract import Card, Link
from gateway.backoff import Backoff
from gateway.links.contract import Connection
from gateway.links.gatt import DISCONNECT_S, NO_ANSWER, BleConnection, Bonds, PipesMissing
from gateway.links.recovery import Remedy
from gateway.links.slots import Slots
from gateway.links.target import Gone, Overheard, Target
from vitals.clock import Clock
from vitals.errors import LinkError

if TYPE_CHECKING:
    from gateway.links.bluez import BlueZ

ATTEMPTS = 3
ATTEMPT_PAUSE_S = 0.5
START_S = 20.0
SILENCE_S = 90.0
CHECK_S = 30.0
RETRY_MOST_S = 30.0
MOST_STRANGERS = 16

TROUBLES = ("scan", "silence", "hung connection")
"""What goes wrong with an adapter: it does not scan, it hears nothing for long, it does not let go of a device."""

_MENDS = {
    False: "bring the device closer, and see that no telephone holds it",
    True: "bring the device closer, put it into its pairing mode once, and see that no telephone holds it",
    "passkey": "bring the device closer; if that does not help, put it into its pairing mode and use `hjemvakt pair`",
}

_SCANNER = "scanner"
_LOST = {
    Remedy.BOND_ANEW: ("the device has lost its bond", "it is made anew; if not, put the device into its pairing mode"),
    Remedy.ASK_A_PERSON: (
        "the device has lost its bond",
        "throw it away with `hjemvakt pair … --forget`, put the device into its pairing mode and pair it anew",
    ),
}

log = logging.getLogger(__name__)


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
            except NO_ANSWER as error:
                log.warning("the radio does not scan (%s): tried again", error or type(error).__name__)
                self._troubles["scan"] += 1
                await self._switch_on()
                await self._pause(backoff.next_s())
            finally:
                with contextlib.suppress(*NO_ANSWER):
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
            with contextlib.suppress(*NO_ANSWER):
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
        with contextlib.suppress(*NO_ANSWER):
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
        except NO_ANSWER as error:
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
            except NO_ANSWER as error:
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
            except PipesMissing:
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
        with contextlib.suppress(*NO_ANSWER):
            return target.inbox.waits and self._bluez is not None and not await self._bluez.connected(target.address)
        return False

    async def _checked_bond(self, target: Target) -> bool:
        """Whether there is a bond; raises LinkError where there must be one and it takes a person to make it."""
        if self._bonds is None:
            return False
        try:
            bonded = await self._bonds.bonded(target.address)
        except NO_ANSWER:
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
            with contextlib.suppress(*NO_ANSWER):
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
        with contextlib.suppress(*NO_ANSWER):
            await self._bluez.forget(target.address)


async def _overhear(target: Target) -> Connection:
    return Overheard(target)
