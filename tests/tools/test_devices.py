"""`hjemvakt devices`: every driver is there, readable on a page 100 characters wide."""

import json

import pytest

from drivers.catalogue import catalogue
from hjemvakt.__main__ import main


def test_every_driver_is_listed_in_columns_of_a_hundred_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows if not row.startswith(" ")] == list(catalogue())
    assert all(len(row) <= 100 for row in rows)
    edges = [head.index(title) for title in ("DEVICE", "LINK", "TELLS", "RECOGNISED BY")]
    assert all(row[edge - 2 : edge].strip() == "" for row in rows for edge in edges)
    said = " ".join(rows)
    for word in ("2400 baud, 7E1", "service 1822", "dispenser.*", "service 14839ac4-…"):
        assert word in said


@pytest.mark.parametrize("name", catalogue())
def test_a_card_is_shown_in_full_with_its_source(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    card = catalogue()[name].card
    assert lines[0] == name
    assert all(len(line) <= 100 or " " not in line.strip() for line in lines)
    said = " ".join(" ".join(lines).split())
    for words in (card.model, card.source, *card.channels, *card.events, *card.services, *card.notify, *card.read):
        assert words in said


def test_a_program_gets_the_cards_as_an_array(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--json"]) == 0
    cards = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert list(cards) == list(catalogue())
    assert cards["and-scale"]["serial"] == {"baud": 2400, "bits": 7, "parity": "E", "stop": 1}
    assert cards["beurer-bm85"]["recognised"] == "service 1810 and name BM85… or BM 85…"
    assert main(["devices", "plx-1822", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == cards["plx-1822"]


@pytest.mark.parametrize("command", [["devices", "plx-182"], ["decode", "plx-182", "00"]])
def test_a_name_that_is_nearly_one_is_told_in_one_line(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "hjemvakt: no driver is called 'plx-182': did you mean 'plx-1822'?\n"


@pytest.mark.parametrize("command", ["devices", "decode", "scan", "capture"])
def test_each_command_says_what_it_is_for_and_gives_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert said.count(f"hjemvakt {command}") >= 2, "once in the usage and once in an example"
    assert all(len(line) <= 110 for line in said.splitlines())
