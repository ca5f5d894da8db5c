"""What BlueZ knows, by path, as it tells it on D-Bus: adapters, devices, and their pipes. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivers.catalogue import short_uuid

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
PIPE = "org.bluez.GattCharacteristic1"


class Objects:
    """`adapters`: the properties of each. `ours`: the name of the adapter that we use, where one is named."""

    def __init__(self, ours: str | None = None) -> None:
        self._ours = f"/org/bluez/{ours}" if ours else None
        self.adapters: dict[str, dict[str, Any]] = {}
        self._devices: dict[str, str] = {}
        """Addresses."""
        self._pipes: dict[str, str] = {}
        """UUIDs."""

    def added(self, path: str, interfaces: Mapping[str, Mapping[str, Any]]) -> None:
        """There is this, or more of it."""
        if adapter := interfaces.get(ADAPTER):
            self.adapters[path] = dict(adapter)
        if device := interfaces.get(DEVICE):
            self._devices[path] = str(device.get("Address", "")).upper()
        if pipe := interfaces.get(PIPE):
            self._pipes[path] = str(pipe.get("UUID", ""))

    def removed(self, path: str, interfaces: Sequence[str]) -> None:
        """There is this no more."""
        for interface, known in ((ADAPTER, self.adapters), (DEVICE, self._devices), (PIPE, self._pipes)):
            if interface in interfaces:
                known.pop(path, None)

    def clear(self) -> None:
        """Nothing is known."""
        for known in (self.adapters, self._devices, self._pipes):
            known.clear()

    def adapter(self) -> str | None:
        """The adapter that we use: the one that is named, else the first there is."""
        if self._ours:
            return self._ours if self._ours in self.adapters else None
        return min(self.adapters, default=None)

    def device(self, address: str) -> str | None:
        """The device of that address, on our adapter where one is named."""
        paths = [path for path, known in self._devices.items() if known == address]
        ours = [path for path in paths if self._ours is None or path.startswith(self._ours + "/")]
        return ours[0] if ours else None

    def address(self, path: str) -> str:
        """The address of the device at `path`; "" where none is known."""
        return self._devices.get(path, "")

    def pipe(self, path: str) -> str:
        """The pipe at `path`, as a short UUID; "" where none is known."""
        return short_uuid(self._pipes.get(path, ""))

    def pipes(self) -> Iterator[str]:
        """The paths of all pipes."""
        return iter(tuple(self._pipes))


def device_of(path: str) -> str:
    """The device's path in that of its pipe, …/dev_X/serviceY/charZ."""
    return path.rsplit("/", 2)[0]
