"""BlueZ beside bleak: what the gateway does on a D-Bus connection of its own, for as long as it runs.

bleak opens a connection to D-Bus for each visit and closes it again. Three things need one that stays:

*Pairing.* BlueZ asks an agent (`gateway.links.bluez_agent`).

*Listening between visits.* BlueZ confirms an indication as soon as it has arrived, whether or not anybody has
subscribed. A bonded device knows that it was subscribed to once, sends within milliseconds of connecting, takes the
confirmation for delivery and forgets the record, while a client that subscribes anew at each visit hears nothing. So
a subscription of ours (StartNotify) stands across disconnects: BlueZ renews it by itself, before the first byte.
BlueZ tells each value once for each subscriber, so a pipe has one: ours if it stands, else bleak's, never both.
Two equal values are then two that were sent, and nothing needs to be told apart by guessing.

*Mending.* Forgetting a device, ending a connection that hangs, switching the adapter off and on.

Everything is set up anew whenever bluetoothd (or the bus) is restarted: a successor knows of no agent and no
subscription. What BlueZ kept of a device's pipes is subscribed to in the instant the successor shows it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bleak.exc import BleakDBusError, BleakError
from dbus_fast import BusType, DBusFastError, Message, MessageType, Variant, unpack_variants
from dbus_fast.aio import MessageBus

from drivers.catalogue import short_uuid
from gateway.backoff import Backoff
from gateway.links.bluez_agent import AGENT, AGENT_PATH, Agent, rejected
from gateway.links.bluez_objects import ADAPTER, DEVICE, PIPE, Objects, device_of
from gateway.links.contract import Ask
from gateway.tasks import ended

NAME = "org.bluez"
MANAGER = "org.bluez.AgentManager1"

CALL_S = 10.0
CONNECT_S = 15.0
BOND_S = 45.0
LET_GO_S = 3.0
SEEN_S = 2.0
LOOK_S = 0.1
OFF_S = 1.0
RETRY_MOST_S = 10.0

_OBJECTS = "org.freedesktop.DBus.ObjectManager"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_BUS = "org.freedesktop.DBus"
_RULES = (
    f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{NAME}'",
    f"type='signal',sender='{NAME}',interface='{_OBJECTS}'",
    f"type='signal',sender='{NAME}',interface='{_PROPERTIES}',member='PropertiesChanged',arg0='{PIPE}'",
    f"type='signal',sender='{NAME}',interface='{_PROPERTIES}',member='PropertiesChanged',arg0='{ADAPTER}'",
)
_ALREADY = ("org.bluez.Error.InProgress", "org.bluez.Error.AlreadyExists")
_AWAY = "org.freedesktop.DBus.Error.NameHasNoOwner"

Hear = Callable[[str, bytes], None]

log = logging.getLogger(__name__)


class Watched(NamedTuple):
    """A configured device."""

    pipes: frozenset[str]
    hear: Hear
    passkey: bool


class BlueZ:
    """`run()` for ever; `watch` the configured devices first.

    `ask`: where there is a person, gives the six digits that the device shows, or None for none.
    """

    def __init__(self, adapter: str | None = None, ask: Ask | None = None, bus: str | None = None) -> None:
        self._agent = Agent(ask, self._reply, self._task)
        self._objects = Objects(adapter)
        self._address = bus
        self._bus: MessageBus | None = None
        self._owner = ""
        self._watched: dict[str, Watched] = {}
        self._standing: dict[str, asyncio.Task[None]] = {}
        """By path of the characteristic: done when BlueZ has taken the subscription."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()
        self.ready = asyncio.Event()
        self.renewed = asyncio.Event()
        """Set when bluetoothd or the adapter came anew: whoever scans must begin again, and clears it."""
        self.gone: set[Callable[[], None]] = set()
        """Called when bluetoothd has gone, and with it every connection."""

    def watch(self, address: str, pipes: Sequence[str], hear: Hear, *, passkey: bool) -> None:
        """A configured device: the pipes it tells on, who hears them, and whether a bond with it needs its digits."""
        self._watched[address.upper()] = Watched(frozenset(map(short_uuid, pipes)), hear, passkey)

    def notes(self) -> list[str]:
        """Troubles, a sentence each."""
        if self._bus is None:
            return ["the system bus is not reached: no Bluetooth until it is"]
        if not self._owner:
            return ["bluetoothd does not run: no Bluetooth until it does"]
        adapter = self._objects.adapters.get(self._objects.adapter() or "")
        if adapter is None:
            return ["there is no Bluetooth adapter: plug it in"]
        return [] if adapter.get("Powered", True) else ["the Bluetooth adapter is switched off"]

    # The connection to the bus

    async def run(self) -> None:
        """Keep the connection, the agent and the subscriptions, whatever is restarted."""
        backoff = Backoff(RETRY_MOST_S)
        while True:
            try:
                await self._connection(backoff)
            except (OSError, EOFError, DBusFastError, BleakError, TimeoutError) as error:
                log.warning("BlueZ is not reached over D-Bus (%s): tried again", error or type(error).__name__)
            await asyncio.sleep(backoff.next_s())

    async def _connection(self, backoff: Backoff) -> None:
        bus = MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM)
        try:
            async with asyncio.timeout(CALL_S):
                await bus.connect()
            self._bus = bus
            bus.add_message_handler(self._on_message)
            for rule in _RULES:
                await self._call(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", "s", rule)
            self._changed.set()
            lost = self._task(bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
            while not lost.done():
                changed = self._task(self._changed.wait())
                await asyncio.wait((changed, lost), return_when=asyncio.FIRST_COMPLETED)
                if not lost.done():
                    self._changed.clear()
                    await self._set_up()
                    backoff.reset()
            lost.result()
        finally:
            self._vanished()
            self._bus = None
            bus.disconnect()
            await ended(self._tasks)

    async def _set_up(self) -> None:
        """Make ourselves known to the bluetoothd that runs now."""
        try:
            (self._owner,) = await self._call(_BUS, "/org/freedesktop/DBus", _BUS, "GetNameOwner", "s", NAME)
        except BleakDBusError as error:
            if error.dbus_error != _AWAY:
                raise
            return  # the bus will tell when it comes
        (objects,) = await self._call(NAME, "/", _OBJECTS, "GetManagedObjects")
        for path, interfaces in objects.items():
            self._objects.added(path, unpack_variants(interfaces))
        await self._register_agent()
        self.ready.set()
        for path in self._objects.pipes():
            await self._stand(path)

    async def _register_agent(self) -> None:
        for member, signature, body in (
            ("RegisterAgent", "os", (AGENT_PATH, self._agent.capability)),
            # A device may ask for a bond by itself; BlueZ then turns to the agent that is the default.
            ("RequestDefaultAgent", "o", (AGENT_PATH,)),
        ):
            try:
                await self._call(NAME, "/org/bluez", MANAGER, member, signature, *body)
            except BleakDBusError as error:
                if error.dbus_error not in _ALREADY:
                    raise

    def _vanished(self) -> None:
        """bluetoothd has gone."""
        self.ready.clear()
        self._owner = ""
        for task in self._standing.values():
            task.cancel()
        self._standing.clear()
        self._objects.clear()
        for call in list(self.gone):
            call()

    async def _call(
        self, destination: str, path: str, interface: str, member: str, signature: str = "", *body: Any,
        within_s: float = CALL_S,
    ) -> list[Any]:  # fmt: skip
        """The reply's body; raises BleakError, TimeoutError."""
        if self._bus is None:
            raise BleakError("the system bus is not reached")
        message = Message(destination, path, interface, member, signature=signature, body=list(body))
        async with asyncio.timeout(within_s):
            reply = await self._bus.call(message)
        if reply.message_type is MessageType.ERROR:
            raise BleakDBusError(reply.error_name or "", reply.body)
        return list(reply.body)

    def _task(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._over_with)
        return task

    def _over_with(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):  # whoever waits for it sees it too
            log.debug("BlueZ: %s", error)

    # What BlueZ tells

    def _on_message(self, message: Message) -> bool | Message | None:
        if message.message_type is MessageType.METHOD_CALL:
            return self._asked(message) if message.path == AGENT_PATH else None
        if message.message_type is not MessageType.SIGNAL:
            return None
        match message.member:
            case "NameOwnerChanged" if message.body[0] == NAME:
                self._vanished()
                if message.body[2]:
                    self._changed.set()
                    self.renewed.set()
            case "InterfacesAdded":
                self._on_added(message.body[0], unpack_variants(message.body[1]))
            case "InterfacesRemoved":
                self._on_removed(message.body[0], message.body[1])
            case "PropertiesChanged":
                self._on_properties(message.path or "", message.body[0], message.body[1])
        return None

    def _on_added(self, path: str, interfaces: Mapping[str, dict[str, Any]]) -> None:
        self._objects.added(path, interfaces)
        if ADAPTER in interfaces:
            self.renewed.set()
        if PIPE in interfaces and self.ready.is_set():
            self._task(self._stand(path))

    def _on_removed(self, path: str, interfaces: Sequence[str]) -> None:
        self._objects.removed(path, interfaces)
        if PIPE in interfaces and (task := self._standing.pop(path, None)):
            task.cancel()

    def _on_properties(self, path: str, interface: str, changed: Mapping[str, Variant]) -> None:
        if interface == ADAPTER and path in self._objects.adapters:
            self._objects.adapters[path] |= unpack_variants(changed)
        elif path in self._standing and "Value" in changed and (watched := self._watcher(path)):
            log.debug("BlueZ: %d bytes on %s", len(changed["Value"].value), path)
            watched.hear(self._objects.pipe(path), bytes(changed["Value"].value))

    def _watcher(self, path: str) -> Watched | None:
        return self._watched.get(self._objects.address(device_of(path)))

    # Standing subscriptions

    async def _stand(self, path: str) -> None:
        """Subscribe to a pipe of a bonded device, if it is one of ours; whoever visits sees whether that worked."""
        watched = self._watcher(path)
        if watched is None or self._objects.pipe(path) not in watched.pipes or path in self._standing:
            return
        with contextlib.suppress(BleakError, TimeoutError):
            if await self._bonded(device_of(path)):
                await asyncio.shield(self._subscription(path))

    def _subscription(self, path: str) -> asyncio.Task[None]:
        """It stands from now on: values may come before the answer does."""
        if path not in self._standing:
            self._standing[path] = self._task(self._start_notify(path))
        return self._standing[path]

    async def _start_notify(self, path: str) -> None:
        try:
            await self._call(NAME, path, PIPE, "StartNotify", within_s=BOND_S)
        except (BleakError, TimeoutError) as error:
            if isinstance(error, BleakDBusError) and error.dbus_error in _ALREADY:
                return
            self._standing.pop(path, None)
            raise

    async def subscribed(self, address: str) -> set[str]:
        """The pipes of a connected device that are heard here, as short UUIDs: all it has, if it is bonded.

        Raises BleakError when BlueZ refuses a subscription.
        """
        device = self._objects.device(address)
        if device is None or not await self._bonded(device):
            return set()
        wanted = self._watched[address].pipes
        paths = [
            path for path in self._objects.pipes() if device_of(path) == device and self._objects.pipe(path) in wanted
        ]
        for path in paths:
            await asyncio.shield(self._subscription(path))
        return {self._objects.pipe(path) for path in paths}

    # Connections

    async def connect(self, address: str) -> None:
        """Connect a device that advertises; raises BleakError in BlueZ's words, TimeoutError.

        bleak would do it too, but it repeats one failure until its time is up, and then says nothing but that.
        """
        path = await self._seen(address)
        if await self._connected(path):
            return
        try:
            await self._call(NAME, path, DEVICE, "Connect", within_s=CONNECT_S)
        except TimeoutError:
            with contextlib.suppress(BleakError, TimeoutError):
                await self._call(NAME, path, DEVICE, "Disconnect")  # it also calls off what is under way
            raise

    # Bonds

    async def bonded(self, address: str) -> bool:
        """Whether BlueZ holds a bond with the device; raises BleakError."""
        path = self._objects.device(address)
        return path is not None and await self._bonded(path)

    async def bond(self, address: str, client: object = None) -> None:
        """Make a bond with a device that advertises or is connected; raises BleakError, TimeoutError.

        It is not `client` that asks for it: BlueZ turns to the agent of whoever does. One that is bonded is left alone:
        BlueZ would try to pair it over classic Bluetooth too, and take the bond away when that fails.
        """
        path = await self._seen(address)
        if await self._bonded(path):
            return
        trusted = Variant("b", True)
        await self._call(NAME, path, _PROPERTIES, "Set", "ssv", DEVICE, "Trusted", trusted)
        try:
            await self._call(NAME, path, DEVICE, "Pair", within_s=BOND_S)
        except BleakDBusError as error:
            if error.dbus_error != "org.bluez.Error.AlreadyExists":
                raise
        except TimeoutError:
            with contextlib.suppress(BleakError, TimeoutError):
                await self._call(NAME, path, DEVICE, "CancelPairing")
            raise

    async def forget(self, address: str) -> bool:
        """Let BlueZ forget the device, its bond and what it knows of its pipes; False when it knew nothing of it.

        It waits for a bluetoothd that is being started.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALL_S):
                await self.ready.wait()
        path = self._objects.device(address)
        if path is None:
            return False
        with contextlib.suppress(BleakDBusError):  # it has gone by itself
            await self._call(NAME, path.rpartition("/")[0], ADAPTER, "RemoveDevice", "o", path)
        return True

    async def _bonded(self, path: str) -> bool:
        return bool((await self._of_device(path)).get("Paired"))

    async def _of_device(self, path: str) -> dict[str, Any]:
        (properties,) = await self._call(NAME, path, _PROPERTIES, "GetAll", "s", DEVICE)
        return dict(unpack_variants(properties))

    async def _seen(self, address: str) -> str:
        """The path of a device that advertises: bleak may have heard of it a moment before us; raises BleakError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEEN_S):
                while (path := self._objects.device(address)) is None:  # noqa: ASYNC110 - a matter of milliseconds
                    await asyncio.sleep(LOOK_S)
                return path
        raise BleakError(f"BlueZ has not seen {address}")

    # The agent

    def _asked(self, call: Message) -> bool | Message:
        """BlueZ asks our agent; True: the answer comes later."""
        if call.interface != AGENT or call.sender != self._owner:
            return rejected(call, "this agent is BlueZ's alone")
        address = self._objects.address(str(call.body[0])) if call.body else ""
        watched = self._watched.get(address)
        return self._agent.asked(call, address, watched.passkey if watched else None)

    async def _reply(self, answer: Message) -> None:
        if self._bus:
            await self._bus.send(answer)

    # The adapter and its connections

    async def connected(self, address: str) -> bool:
        """Whether BlueZ says so; raises BleakError."""
        path = self._objects.device(address)
        return path is not None and await self._connected(path)

    async def let_go(self, address: str) -> bool:
        """After a visit: see that the connection is over. False: it hangs, and to forget the device would cost a bond.

        Raises BleakError, TimeoutError.
        """
        path = self._objects.device(address)
        if path is None or not await self._connected(path):
            return True
        await self._call(NAME, path, DEVICE, "Disconnect")
        return await self._over(path) or (not await self._bonded(path) and await self.forget(address))

    async def _connected(self, path: str) -> bool:
        return bool((await self._of_device(path)).get("Connected"))

    async def _over(self, path: str) -> bool:
        """Whether it is, within LET_GO_S."""
        try:
            async with asyncio.timeout(LET_GO_S):
                while await self._connected(path):  # noqa: ASYNC110 - BlueZ may well have missed it itself
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False
        return True

    async def power_on(self) -> None:
        """Switch the adapter on; raises BleakError where it cannot be."""
        await self._power(True)

    async def power_cycle(self) -> None:
        """Switch the adapter off and on again; raises BleakError, TimeoutError."""
        try:
            await self._power(False)
            await asyncio.sleep(OFF_S)
        finally:
            await self._power(True)

    async def _power(self, on: bool) -> None:
        path = self._objects.adapter()
        if path is None:
            raise BleakError("there is no Bluetooth adapter")
        await self._call(NAME, path, _PROPERTIES, "Set", "ssv", ADAPTER, "Powered", Variant("b", on))
