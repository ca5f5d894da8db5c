"""BlueZ as a bystander sees it: over D-Bus, on a connection of its own, and as a process that can be killed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
_AGENT = "/somebodys/agent"
_LOOK_EVERY_S = 0.05


class Bluez:
    """`async with Bluez() as bluez`. Every wait has a bound, in seconds, and raises TimeoutError."""

    async def __aenter__(self) -> "Bluez":
        self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def objects(self, interface: str) -> dict[str, dict[str, Any]]:
        """Path and properties of every object with the interface; none while BlueZ is away."""
        call = ("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        told = await self._call(*call)
        if told.message_type is not MessageType.METHOD_RETURN:
            return {}
        return {
            path: {name: value.value for name, value in interfaces[interface].items()}
            for path, interfaces in told.body[0].items()
            if interface in interfaces
        }

    async def ready(self, within_s: float = 20) -> None:
        """Wait until there is an adapter that is switched on."""

        async def powered() -> bool:
            return any(adapter["Powered"] for adapter in (await self.objects(ADAPTER)).values())

        await self._until(powered, within_s)

    async def without_adapter(self, within_s: float = 20) -> None:
        """Wait until no adapter is left."""

        async def gone() -> bool:
            return not await self.objects(ADAPTER)

        await self._until(gone, within_s)

    async def device(self, address: str) -> dict[str, Any] | None:
        """Properties of the device, if BlueZ knows it."""
        known = await self.objects(DEVICE)
        return next((device for device in known.values() if device["Address"] == address), None)

    async def restarted(self) -> None:
        """End `bluetoothd` as a crash does, and wait until its successor has the adapter."""
        for process in _processes("bluetoothd"):
            os.kill(process, signal.SIGKILL)
        before = await self._owner()

        async def succeeded() -> bool:
            return await self._owner() not in ("", before)

        if before:
            await self._until(succeeded, 20)
        await self.ready()

    async def _owner(self) -> str:
        call = ("/", "org.freedesktop.DBus", "GetNameOwner", "s", ["org.bluez"])
        told = await self._call(*call, destination="org.freedesktop.DBus")
        return str(told.body[0]) if told.message_type is MessageType.METHOD_RETURN else ""

    async def _call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Any = (),
        destination: str = "org.bluez",
    ) -> Message:
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        told = await self._bus.call(message)
        assert told
        return told

    async def _until(self, holds: Any, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - what is waited for is a process that another started
                await asyncio.sleep(_LOOK_EVERY_S)


def _processes(name: str) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "comm").read_text().strip() == name:
                found.append(int(process.name))
    return found


@contextlib.asynccontextmanager
async def somebodys_agent() -> AsyncIterator[None]:
    """A pairing agent that is not ours and says yes to all."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()

    def yes(call: Message) -> Message | None:
        return Message.new_method_return(call) if call.interface == "org.bluez.Agent1" else None

    bus.add_message_handler(yes)
    for member, signature, body in (
        ("RegisterAgent", "os", [_AGENT, "NoInputNoOutput"]),
        ("RequestDefaultAgent", "o", [_AGENT]),
    ):
        call = Message("org.bluez", "/org/bluez", "org.bluez.AgentManager1", member, signature=signature, body=body)
        told = await bus.call(call)
        assert told
        assert told.message_type is MessageType.METHOD_RETURN, told.body
    yield
    bus.disconnect()
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
