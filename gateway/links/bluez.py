"""BlueZ beside bleak: what the gateway does on a D-Bus connection of its own, for as long as it runs.

bleak opens a connection to D-Bus for each visit and closes it again. Three things need one that stays:

*Pairing.* BlueZ asks an agent, and without one every pairing ends in AuthenticationFailed. Ours answers for configured
devices alone, and with six digits only where somebody is there to read them from the device (`hjemvakt pair`): a
running gateway has no such person, and takes no bond with such a device that was made without the digits.

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
from typing import Any, Literal, NamedTuple

from bleak.exc import BleakDBusError, BleakError
from dbus_fast import BusType, DBusFastError, Message, MessageType, Variant, unpack_variants
from dbus_fast.aio import MessageBus

from drivers.catalogue import short_uuid
from gateway.backoff import Backoff
from gateway.links.contract import Ask
from gateway.tasks import ended

NAME = "org.bluez"
AGENT_PATH = "/hjemvakt/agent"
ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
PIPE = "org.bluez.GattCharacteristic1"
AGENT = "org.bluez.Agent1"
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

Capability = Literal["NoInputNoOutput", "KeyboardOnly"]
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
        self._adapter = f"/org/bluez/{adapter}" if adapter else None
        self._ask = ask
        self._address = bus
        self._bus: MessageBus | None = None
        self._owner = ""
        self._watched: dict[str, Watched] = {}
        self._adapters: dict[str, dict[str, Any]] = {}
        self._devices: dict[str, str] = {}
        """Address by path, of all that BlueZ knows."""
        self._pipes: dict[str, str] = {}
        """UUID by path, of all characteristics that BlueZ knows."""
        self._standing: dict[str, asyncio.Task[None]] = {}
        """By path of the characteristic: done when BlueZ has taken the subscription."""
        self._typing: asyncio.Task[None] | None = None
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
        adapter = self._adapters.get(self._adapter_path() or "")
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
            self._added(path, unpack_variants(interfaces))
        await self._register_agent()
        self.ready.set()
        for path in list(self._pipes):
            await self._stand(path)

    async def _register_agent(self) -> None:
        capability: Capability = "KeyboardOnly" if self._ask else "NoInputNoOutput"
        for member, signature, body in (
            ("RegisterAgent", "os", (AGENT_PATH, capability)),
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
        for known in (self._adapters, self._devices, self._pipes, self._standing):
            known.clear()
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
        self._added(path, interfaces)
        if ADAPTER in interfaces:
            self.renewed.set()
        if PIPE in interfaces and self.ready.is_set():
            self._task(self._stand(path))

    def _added(self, path: str, interfaces: Mapping[str, dict[str, Any]]) -> None:
        if adapter := interfaces.get(ADAPTER):
            self._adapters[path] = adapter
        if device := interfaces.get(DEVICE):
            self._devices[path] = str(device.get("Address", "")).upper()
        if pipe := interfaces.get(PIPE):
            self._pipes[path] = str(pipe.get("UUID", ""))

    def _on_removed(self, path: str, interfaces: Sequence[str]) -> None:
        for interface, known in ((ADAPTER, self._adapters), (DEVICE, self._devices), (PIPE, self._pipes)):
            if interface in interfaces:
                known.pop(path, None)
        if PIPE in interfaces and (task := self._standing.pop(path, None)):
            task.cancel()

    def _on_properties(self, path: str, interface: str, changed: Mapping[str, Variant]) -> None:
        if interface == ADAPTER and path in self._adapters:
            self._adapters[path] |= unpack_variants(changed)
        elif path in self._standing and "Value" in changed and (watched := self._watcher(path)):
            log.debug("BlueZ: %d bytes on %s", len(changed["Value"].value), path)
            watched.hear(self._pipe(path), bytes(changed["Value"].value))

    def _watcher(self, path: str) -> Watched | None:
        return self._watched.get(self._devices.get(_device_of(path), ""))

    def _pipe(self, path: str) -> str:
        return short_uuid(self._pipes.get(path, ""))

    # Standing subscriptions

    async def _stand(self, path: str) -> None:
        """Subscribe to a pipe of a bonded device, if it is one of ours; whoever visits sees whether that worked."""
        watched = self._watcher(path)
        if watched is None or self._pipe(path) not in watched.pipes or path in self._standing:
            return
        with contextlib.suppress(BleakError, TimeoutError):
            if await self._bonded(_device_of(path)):
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
        device = self._path(address)
        if device is None or not await self._bonded(device):
            return set()
        wanted = self._watched[address].pipes
        paths = [path for path in self._pipes if _device_of(path) == device and self._pipe(path) in wanted]
        for path in paths:
            await asyncio.shield(self._subscription(path))
        return {self._pipe(path) for path in paths}

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
        path = self._path(address)
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
        path = self._path(address)
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
                while (path := self._path(address)) is None:  # noqa: ASYNC110 - a matter of milliseconds
                    await asyncio.sleep(LOOK_S)
                return path
        raise BleakError(f"BlueZ has not seen {address}")

    def _path(self, address: str) -> str | None:
        """The device's path, on our adapter where one is named."""
        paths = [path for path, known in self._devices.items() if known == address]
        ours = [path for path in paths if self._adapter is None or path.startswith(self._adapter + "/")]
        return ours[0] if ours else None

    # The agent

    def _asked(self, call: Message) -> bool | Message:
        """BlueZ asks our agent; True: the answer comes later."""
        if call.interface != AGENT or call.sender != self._owner:
            return Message.new_error(call, "org.bluez.Error.Rejected", "this agent is BlueZ's alone")
        if call.member in ("Release", "Cancel"):
            if self._typing:
                self._typing.cancel()
            return Message.new_method_return(call)
        address = self._devices.get(str(call.body[0]), "")
        watched = self._watched.get(address)
        answer = _ANSWERS.get(call.member or "")
        if watched is None or answer is None:
            log.warning("%s asked to be paired (%s) and was refused", address or "a device", call.member)
            return _rejected(call, "it is not configured" if watched is None else "we cannot do that")
        return answer(self, call, watched)

    def _consent(self, call: Message, watched: Watched) -> Message:
        """A bond without digits: for whom the card allows it."""
        if watched.passkey:
            return _rejected(call, "a bond with it needs the digits it shows")
        return Message.new_method_return(call)

    def _digits(self, call: Message, watched: Watched) -> bool | Message:
        if self._ask is None:
            return _rejected(call, "nobody is here to read the digits it shows")
        self._typing = self._task(self._typed(call, self._ask))
        return True

    async def _typed(self, call: Message, ask: Ask) -> None:
        digits = await ask()
        answer = Message.new_method_return(call, "u", [digits]) if digits is not None else _rejected(call, "no digits")
        if self._bus:
            await self._bus.send(answer)

    # The adapter and its connections

    async def connected(self, address: str) -> bool:
        """Whether BlueZ says so; raises BleakError."""
        path = self._path(address)
        return path is not None and await self._connected(path)

    async def let_go(self, address: str) -> bool:
        """After a visit: see that the connection is over. False: it hangs, and to forget the device would cost a bond.

        Raises BleakError, TimeoutError.
        """
        path = self._path(address)
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
        path = self._adapter_path()
        if path is None:
            raise BleakError("there is no Bluetooth adapter")
        await self._call(NAME, path, _PROPERTIES, "Set", "ssv", ADAPTER, "Powered", Variant("b", on))

    def _adapter_path(self) -> str | None:
        if self._adapter:
            return self._adapter if self._adapter in self._adapters else None
        return min(self._adapters, default=None)


_ANSWERS: Mapping[str, Callable[[BlueZ, Message, Watched], bool | Message]] = {
    "RequestConfirmation": BlueZ._consent,
    "RequestAuthorization": BlueZ._consent,
    "AuthorizeService": lambda _, call, __: Message.new_method_return(call),
    "RequestPasskey": BlueZ._digits,
}
"""What our agent can be asked. PIN codes are of classic Bluetooth, and showing digits needs a display."""


def _rejected(call: Message, why: str) -> Message:
    return Message.new_error(call, "org.bluez.Error.Rejected", why)


def _device_of(path: str) -> str:
    """The device's path in that of its characteristic, …/dev_X/serviceY/charZ."""
    return path.rsplit("/", 2)[0]
