"""A bluetoothd of a few lines, on a bus that is a function call: what BlueZ answers, and what it was asked.

It knows one cuff on one adapter. It is no proof of what the real one does (`tests/bluez` has those), but it can be made
to do what the real one does once a year.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from dbus_fast import Message, MessageType, Variant

from gateway.links import bluez as module
from gateway.links import bluez_agent, bluez_objects

ADDRESS = "F0:00:00:00:00:01"
ADAPTER = "/org/bluez/hci0"
CUFF = f"{ADAPTER}/dev_F0_00_00_00_00_01"
STRANGER = f"{ADAPTER}/dev_F0_00_00_00_00_02"
PIPE = f"{CUFF}/service000e/char000f"
OTHER_PIPE = f"{CUFF}/service000e/char0012"


class FakeBlueZ:
    """Stands in for dbus_fast's MessageBus too: there is one client."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Members called, with the last part of the path."""
        self.owner = ""
        self.agents: list[str] = []
        self.subscribed: list[str] = []
        self.refuses: dict[str, str] = {}
        """Member → the error it is answered with."""
        self.silent: set[str] = set()
        """Members that are never answered."""
        self.holds_on = False
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self._handlers: list[Callable[[Message], Any]] = []
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._lost = asyncio.Event()
        self._serial = 0

    # What the test does

    def start(self, *, bonded: bool = False, pipes: bool = True) -> None:
        """bluetoothd starts; what it knows of the cuff depends."""
        self.owner = f":1.{len(self.asked) + 1}"
        self.agents.clear()
        self.subscribed.clear()
        self.objects = {
            ADAPTER: {bluez_objects.ADAPTER: {"Powered": True}},
            CUFF: {bluez_objects.DEVICE: {"Address": ADDRESS, "Paired": bonded, "Connected": False}},
            STRANGER: {bluez_objects.DEVICE: {"Address": "F0:00:00:00:00:02", "Paired": False, "Connected": False}},
        }
        if pipes:
            self.objects |= self._pipes()
        self._tell("NameOwnerChanged", "sss", [module.NAME, "", self.owner], module._BUS)

    def die(self) -> None:
        """bluetoothd dies without a word."""
        before, self.owner = self.owner, ""
        self.objects.clear()
        self._tell("NameOwnerChanged", "sss", [module.NAME, before, ""], module._BUS)

    def show_pipes(self) -> None:
        """The cuff's pipes are known now."""
        for path, interfaces in self._pipes().items():
            self.objects[path] = interfaces
            self._tell("InterfacesAdded", "oa{sa{sv}}", [path, _packed(interfaces)])

    def value(self, path: str, data: bytes) -> None:
        """A value arrived: it is told once for each subscription."""
        for _ in range(self.subscribed.count(path)):
            body = [bluez_objects.PIPE, {"Value": Variant("ay", data)}, []]
            self._tell("PropertiesChanged", "sa{sv}as", body, path=path)

    async def ask(self, member: str, device: str = CUFF, sender: str | None = None) -> Message:
        """Ask the agent something, as BlueZ does; its answer."""
        signature, body = ("ou", [device, 123456]) if member == "RequestConfirmation" else ("o", [device])
        call = Message(
            ":1.0",
            bluez_agent.AGENT_PATH,
            bluez_agent.AGENT,
            member,
            MessageType.METHOD_CALL,
            signature=signature,
            body=body,
        )
        call.sender = self.owner if sender is None else sender
        self._serial += 1
        call.serial = self._serial
        self._answers[call.serial] = asyncio.get_running_loop().create_future()
        answer = self._hand(call)
        if isinstance(answer, Message):
            return answer
        async with asyncio.timeout(5):
            return await self._answers[call.serial]

    def lose_bus(self) -> None:
        self._lost.set()

    # What dbus_fast does

    def __call__(self, **_: object) -> "FakeBlueZ":
        self._handlers.clear()
        self._lost.clear()
        return self

    async def connect(self) -> None:
        pass

    def disconnect(self) -> None:
        pass

    async def wait_for_disconnect(self) -> None:
        await self._lost.wait()
        raise EOFError

    def add_message_handler(self, handler: Callable[[Message], Any]) -> None:
        self._handlers.append(handler)

    async def send(self, message: Message) -> None:
        self._answers[message.reply_serial].set_result(message)

    async def call(self, message: Message) -> Message:
        message.serial = 1
        member = message.member or ""
        self.asked.append(f"{member} {(message.path or '').rpartition('/')[2]}")
        if member in self.silent:
            await asyncio.Event().wait()
        if member in self.refuses:
            return Message.new_error(message, self.refuses[member], "no")
        if message.destination == module.NAME and not self.owner:
            return Message.new_error(message, "org.freedesktop.DBus.Error.ServiceUnknown", "no bluetoothd")
        signature, body = await self._done(message, member)
        return Message.new_method_return(message, signature, body)

    # What bluetoothd does

    async def _done(self, message: Message, member: str) -> tuple[str, list[Any]]:
        path = message.path or ""
        match member:
            case "GetNameOwner":
                return "s", [self.owner]
            case "GetManagedObjects":
                return "a{oa{sa{sv}}}", [{path: _packed(interfaces) for path, interfaces in self.objects.items()}]
            case "GetAll":
                return "a{sv}", [_variants(self.objects[path][bluez_objects.DEVICE])]
            case "RegisterAgent":
                self.agents.append(message.body[1])
            case "StartNotify":
                self.subscribed.append(path)
            case "Set":
                interface, name, value = message.body
                self.objects[path][interface][name] = value.value
            case "Pair":
                await self._pair(path)
            case "Connect" | "Disconnect":
                if not self.holds_on:
                    self.objects[path][bluez_objects.DEVICE]["Connected"] = member == "Connect"
            case "RemoveDevice":
                self.remove(message.body[0])
        return "", []

    async def _pair(self, path: str) -> None:
        answer = await self.ask("RequestConfirmation", path)
        assert answer.message_type is MessageType.METHOD_RETURN
        self.objects[path][bluez_objects.DEVICE]["Paired"] = True

    def remove(self, device: str) -> None:
        for path in [path for path in self.objects if path.startswith(device)]:
            self._tell("InterfacesRemoved", "oas", [path, list(self.objects.pop(path))])

    def _pipes(self) -> dict[str, dict[str, dict[str, Any]]]:
        uuid = "0000{}-0000-1000-8000-00805f9b34fb"
        return {
            path: {bluez_objects.PIPE: {"UUID": uuid.format(pipe)}}
            for path, pipe in ((PIPE, "2a35"), (OTHER_PIPE, "2a08"))
        }

    def _tell(self, member: str, signature: str, body: list[Any], sender: str = "", path: str = "/") -> None:
        interface = "org.freedesktop.DBus.Properties"
        message = Message(
            None,
            path,
            interface,
            member,
            MessageType.SIGNAL,
            signature=signature,
            body=body,
            sender=sender or self.owner,
        )
        self._hand(message)

    def _hand(self, message: Message) -> Any:
        for handler in self._handlers:
            if answer := handler(message):
                return answer
        return None


def _variants(properties: dict[str, Any]) -> dict[str, Variant]:
    kinds = {bool: "b", str: "s", int: "n"}
    return {name: Variant(kinds[type(value)], value) for name, value in properties.items()}


def _packed(interfaces: dict[str, dict[str, Any]]) -> dict[str, dict[str, Variant]]:
    return {name: _variants(properties) for name, properties in interfaces.items()}
