"""The list of devices for people says the same as the drivers' cards, and each driver says what it was built from."""

import re
import sys
from pathlib import Path

import pytest

from drivers.catalogue import catalogue
from drivers.contract import Card

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "devices.md"
HEAD = ["name", "maker", "model", "link", "channels"]


def table(text: str) -> list[list[str]]:
    """The cells of the only table of a markdown page, with its head and without its ruler."""
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]


def row(card: Card) -> list[str]:
    """What stands on the page for a card."""
    return [f"`{card.name}`", card.maker, card.model, str(card.link), ", ".join(f"`{name}`" for name in card.channels)]


def as_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def test_the_page_is_the_catalogue() -> None:
    head, *listed = table(PAGE.read_text())
    installed = [row(driver.card) for driver in catalogue().values()]
    missing = [as_line(cells) for cells in installed if cells not in listed]
    stale = [as_line(cells) for cells in listed if cells not in installed]
    assert head == HEAD
    assert not missing, "write into docs/reference/devices.md:\n" + "\n".join(missing)
    assert not stale, "no such driver; take out of docs/reference/devices.md:\n" + "\n".join(stale)
    assert listed == installed, "the lines of docs/reference/devices.md are in order of name, each once"


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_a_driver_names_its_source(name: str) -> None:
    theory = sys.modules[catalogue()[name].__module__].__doc__ or ""
    assert re.search(r"\bSource: \S", theory), f"end the docstring of the driver of {name} in `Source: …`"
