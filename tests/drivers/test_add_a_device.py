"""The guide works as it is written: its driver is found, its capture holds, and its example of a mistake is one."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import drivers
from drivers.capture import differences, parse
from drivers.catalogue import catalogue, find, takes

GUIDE = (Path(__file__).parents[2] / "docs" / "add-a-device.md").read_text()
FILES = dict(re.findall(r"^Put this into `([^`]+)`:\n\n```\w+\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
DRIVER, CAPTURE = FILES["drivers/hts_1809.py"], FILES["tests/drivers/captures/hts-1809-normal.cap"]


@pytest.fixture(autouse=True)
def follow_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with the guide's driver, which counts as lying in `drivers/`."""
    (tmp_path / "hts_1809.py").write_text(DRIVER)
    monkeypatch.setattr(drivers, "__path__", [*drivers.__path__, str(tmp_path)])
    catalogue.cache_clear()
    yield
    sys.modules.pop("drivers.hts_1809", None)
    catalogue.cache_clear()


def test_the_driver_is_found_and_takes_its_device() -> None:
    assert takes(find("hts-1809").card, ["1809"], "any name")


def test_the_capture_holds() -> None:
    assert differences(parse(CAPTURE), find("hts-1809")) == []


def test_the_mistake_is_shown_where_the_guide_says() -> None:
    (difference,) = differences(parse(CAPTURE.replace("38.50", "38.51")), find("hts-1809"))
    shown = f"line {difference.line}\n  expected: {difference.expected[0]}\n  driver:   {difference.got[0]}\n"
    assert shown in GUIDE
