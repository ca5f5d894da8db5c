"""The line settings of serial devices, which no simulated port can check: a pty has neither speed nor parity."""

import pytest

from drivers.catalogue import find
from drivers.contract import Serial

SETTINGS = {
    "and-scale": Serial(2400, 7, "E", 1),
    "bci": Serial(115_200, 8, "N", 1),
    "contec-cms50dplus": Serial(19_200, 8, "O", 1),
    "contec-cms50dplus-46": Serial(115_200, 8, "N", 1),
    "hjemvakt-dispenser": Serial(115_200, 8, "N", 1),
    "kern": Serial(9600, 8, "N", 1),
    "kern-kcp": Serial(9600, 8, "N", 1),
    "mt-sics": Serial(9600, 8, "N", 1),
    "nonin-oem3-format2": Serial(9600, 8, "N", 1),
    "nonin-oem3-format7": Serial(9600, 8, "N", 1),
    "nonin-oem3-format8": Serial(9600, 8, "N", 1),
    "sartorius-sbi": Serial(9600, 8, "N", 1),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_are_those_of_the_device(name: str) -> None:
    assert find(name).card.serial == SETTINGS[name]
