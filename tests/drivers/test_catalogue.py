"""Drivers are found by being there, and an advert finds its driver."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import drivers
from drivers.catalogue import catalogue, find, short_uuid, takes
from drivers.contract import Card, Link
from vitals.errors import ConfigError

COPY = """
from drivers.contract import Card, Link

class Copy:
    card = Card(name={!r}, maker="", model="", link=Link.BLE)
"""


@pytest.fixture
def another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files count as lying in `drivers/`."""
    monkeypatch.setattr(drivers, "__path__", [*drivers.__path__, str(tmp_path)])
    catalogue.cache_clear()
    yield tmp_path
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"drivers.{path.stem}", None)
    catalogue.cache_clear()


def test_the_drivers_of_this_house_are_found() -> None:
    assert {"plx-1822", "wss-181d", "hjemvakt-dispenser"} <= set(catalogue())
    assert all(name == driver.card.name for name, driver in catalogue().items())


def test_a_file_put_there_is_a_driver(another_folder: Path) -> None:
    (another_folder / "new_device.py").write_text(COPY.format("new-device"))
    assert find("new-device").card.name == "new-device"


def test_two_drivers_of_one_name_are_refused(another_folder: Path) -> None:
    (another_folder / "another_oximeter.py").write_text(COPY.format("plx-1822"))
    with pytest.raises(ConfigError, match=r"two drivers are called 'plx-1822'.*another_oximeter"):
        catalogue()


def test_an_unknown_name_is_told_its_neighbours() -> None:
    with pytest.raises(ConfigError, match="did you mean 'plx-1822'"):
        find("plx-1882")
    with pytest.raises(ConfigError, match=r"there are: .*wss-181d"):
        find("toaster")


def card(services: tuple[str, ...] = (), local_names: tuple[str, ...] = ()) -> Card:
    return Card(name="x", maker="x", model="x", link=Link.BLE, services=services, local_names=local_names)


def test_an_advert_is_taken_by_its_service_in_any_form() -> None:
    oximeter = find("plx-1822").card
    assert takes(oximeter, ["1822"], None)
    assert takes(oximeter, ["0000180f-0000-1000-8000-00805f9b34fb", "00001822-0000-1000-8000-00805F9B34FB"], "")
    assert not takes(oximeter, ["181d"], "Oximeter")
    assert not takes(oximeter, [], "Oximeter")


def test_a_name_narrows_it() -> None:
    nonin = card(("1822",), ("Nonin3230_", "Nonin3150_"))
    assert takes(nonin, ["1822"], "Nonin3150_501")
    assert not takes(nonin, ["1822"], "Other")
    assert not takes(nonin, ["1822"], None)
    assert takes(card(local_names=("O2Ring",)), [], "O2Ring 1234")


def test_a_card_that_recognises_nothing_takes_nothing() -> None:
    assert not takes(find("hjemvakt-dispenser").card, ["1822"], "anything")


def test_uuids_are_written_one_way() -> None:
    assert short_uuid("00002A5E-0000-1000-8000-00805F9B34FB") == "2a5e"
    assert short_uuid("2A5E") == "2a5e"
    vendor = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"
    assert short_uuid(vendor.upper()) == vendor
