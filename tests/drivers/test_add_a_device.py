"""The guide works as it is written: its driver is found, its capture holds, and its example of a mistake is one."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import drivers
from drivers.capture import differences, parse, play
from drivers.catalogue import catalogue, find
from drivers.contract import Card, Link

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "add-a-device.md").read_text()
FILES = dict(re.findall(r"^Put this into `([^`]+)`:\n\n```\w+\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
DRIVER, CAPTURE = FILES["drivers/example_pef.py"], FILES["tests/drivers/captures/example-pef-normal.cap"]
NAME = "example-pef"


@pytest.fixture(autouse=True)
def follow_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with the guide's driver, which counts as lying in `drivers/`."""
    (tmp_path / "example_pef.py").write_text(DRIVER)
    monkeypatch.setattr(drivers, "__path__", [*drivers.__path__, str(tmp_path)])
    catalogue.cache_clear()
    yield
    sys.modules.pop("drivers.example_pef", None)
    catalogue.cache_clear()


def test_the_invented_device_is_not_among_the_real_ones() -> None:
    assert not [path for path in FILES if (ROOT / path).exists()]


def test_the_driver_is_found() -> None:
    card = find(NAME).card
    assert (card.link, card.channels) == (Link.SERIAL, ("peak_flow",))


def test_the_capture_holds() -> None:
    assert differences(parse(CAPTURE), find(NAME)) == []


def test_the_line_may_be_cut_anywhere() -> None:
    capture, driver = parse(CAPTURE), find(NAME)
    in_bytes = play(capture, driver, lambda data: [bytes((byte,)) for byte in data])
    assert [outs for _, outs in in_bytes] == [outs for _, outs in play(capture, driver)]


def test_the_mistake_is_shown_where_the_guide_says() -> None:
    (difference,) = differences(parse(CAPTURE.replace("peak_flow 412", "peak_flow 413")), find(NAME))
    shown = f"line {difference.line}\n  expected: {difference.expected[0]}\n  driver:   {difference.got[0]}\n"
    assert shown in GUIDE


def test_the_line_for_the_list_is_that_of_the_card() -> None:
    card = find(NAME).card
    channels = ", ".join(f"`{channel}`" for channel in card.channels)
    assert f"\n| `{card.name}` | {card.maker} | {card.model} | {card.link} | {channels} |\n" in GUIDE


def test_the_files_the_guide_points_to_are_there() -> None:
    named = {name if "/" in name else f"drivers/{name}" for name in re.findall(r"`([\w/]+\.py)`", GUIDE)}
    assert {name for name in named - FILES.keys() if not (ROOT / name).exists()} == set()


def test_every_field_of_a_card_is_named_with_a_driver_that_has_it() -> None:
    table = GUIDE.partition("\n## Devices that ask for more\n")[2]
    assert set(Card.__struct_fields__) <= set(re.findall(r"`?(\w+)(?:=[^`\n]*)?`?", table + DRIVER))
    for fields, example in re.findall(r"^\| (`.*`) \| .* \| (`\w+\.py`.*) \|$", table, re.MULTILINE):
        field = re.findall(r"`(\w+)", fields)[0]
        for name in re.findall(r"`(\w+\.py)`", example):
            assert f"{field}=" in (ROOT / "drivers" / name).read_text(encoding="utf-8"), f"{name} has no {field}"
