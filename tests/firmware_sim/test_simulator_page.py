"""docs/reference/simulator.md has every key of a home's file, of a scenario, and of what only one kind understands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from firmware_sim.config import SimConfig, load
from firmware_sim.kinds import kinds
from firmware_sim.scenario import Scenario, read

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "simulator.md").read_text(encoding="utf-8")


def keys(hint: Any) -> Iterator[str]:
    """Every key of a struct and of the structs inside it."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for name, inner in get_type_hints(hint).items():
            yield name
            yield from keys(inner)
    for inner in get_args(hint):
        yield from keys(inner)


@pytest.mark.parametrize("model", [SimConfig, Scenario, *(one.options for one in kinds().values() if one.options)])
def test_every_key_is_named(model: type[msgspec.Struct]) -> None:
    named = set(re.findall(r"\w+", PAGE))
    assert set(keys(model)) - named == set()


def test_the_example_of_a_scenario_can_be_used() -> None:
    (story,) = re.findall(r"```toml\n(title = .*?)```", PAGE, re.S)
    assert read(story, "the page").doses


def test_the_home_in_three_lines_can_be_used(tmp_path: Path) -> None:
    (home,) = re.findall(r'```toml\n(person = "Kari".*?)```', PAGE, re.S)
    (tmp_path / "kari.toml").write_text(home, encoding="utf-8")
    assert len(load(tmp_path / "kari.toml").homes[0].devices) == 4
