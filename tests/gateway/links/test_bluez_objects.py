"""What BlueZ knows: found by address and by path, on the adapter that is ours, and gone when BlueZ says so."""

import pytest

from gateway.links.bluez_objects import ADAPTER, DEVICE, PIPE, Objects, device_of

HCI0, HCI1 = "/org/bluez/hci0", "/org/bluez/hci1"
CUFF = "F0:00:00:00:00:01"


def known(ours: str | None = None) -> Objects:
    """Two adapters that both have heard the cuff, and a pipe of it."""
    objects = Objects(ours)
    for adapter in (HCI1, HCI0):
        objects.added(adapter, {ADAPTER: {"Powered": True}})
        objects.added(f"{adapter}/dev_1", {DEVICE: {"Address": CUFF.lower()}})
    objects.added(f"{HCI0}/dev_1/service1/char2", {PIPE: {"UUID": "00002a35-0000-1000-8000-00805f9b34fb"}})
    return objects


@pytest.mark.parametrize(
    ("ours", "adapter", "device"),
    [
        ("hci0", HCI0, f"{HCI0}/dev_1"),
        ("hci1", HCI1, f"{HCI1}/dev_1"),
        ("hci7", None, None),
        (None, HCI0, f"{HCI1}/dev_1"),
    ],
)
def test_a_device_is_looked_for_on_our_adapter(ours: str | None, adapter: str | None, device: str | None) -> None:
    objects = known(ours)
    assert (objects.adapter(), objects.device(CUFF)) == (adapter, device)


def test_a_pipe_says_what_it_is_and_whose() -> None:
    objects = known()
    (path,) = objects.pipes()
    assert objects.pipe(path) == "2a35"
    assert objects.address(device_of(path)) == CUFF


def test_what_bluez_no_longer_has_is_not_known() -> None:
    objects = known()
    objects.removed(f"{HCI1}/dev_1", [DEVICE])
    assert objects.device(CUFF) == f"{HCI0}/dev_1"
    objects.removed(f"{HCI0}/dev_1", [PIPE])
    assert objects.device(CUFF) == f"{HCI0}/dev_1"
    objects.clear()
    assert (objects.adapter(), objects.device(CUFF), list(objects.pipes())) == (None, None, [])
    assert (objects.address("/somewhere"), objects.pipe("/somewhere")) == ("", "")
