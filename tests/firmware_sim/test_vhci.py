"""The radio that is the kernel's own; what it does where there is a kernel for it is proved in `tests/bluez`."""

from pathlib import Path

import pytest

from firmware_sim import radio
from vitals.errors import ConfigError, LinkError


async def test_where_the_kernel_has_no_such_device_the_mend_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio, "_VHCI", tmp_path / "vhci")
    with pytest.raises(LinkError, match="modprobe hci_vhci"):
        await radio.Radio("vhci").open()


def test_it_is_named_without_an_address() -> None:
    radio.check_spec("vhci")
    with pytest.raises(ConfigError, match="or vhci"):
        radio.check_spec("vhci:0")
