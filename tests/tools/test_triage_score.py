"""`hjemvakt triage score`: every boundary of the charts, what is missing, and tables that cannot be scored."""

import io
import json
import math
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hjemvakt.__main__ import main
from tests.triage.second_opinion.scores import CHARTS, rcp, rcp_spo2

HEADS = {
    "news2": "rr,spo2,spo2_scale,on_o2,sbp,hr,acvpu,temp",
    "mews": "rr,hr,sbp,temp,acvpu",
    "qsofa": "rr,sbp,acvpu",
    "shock_index": "hr,sbp",
    "crb65": "confusion,rr,sbp,dbp,age",
}
WELL = {
    "rr": "16",
    "spo2": "97",
    "spo2_scale": "1",
    "on_o2": "no",
    "sbp": "120",
    "hr": "70",
    "acvpu": "A",
    "temp": "37",
}
CHANNEL = {"rr": "resp_rate", "sbp": "bp_sys", "hr": "pulse_rate", "temp": "body_temp", "acvpu": "consciousness"}


def line(**cells: str) -> str:
    return ",".join((WELL | cells)[name] for name in HEADS["news2"].split(","))


@pytest.fixture
def scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The rows that these lines are scored with, each as a dictionary."""

    def score(rule: str, *lines: str) -> list[dict[str, Any]]:
        file = tmp_path / "table.csv"
        file.write_text("\n".join((HEADS[rule], *lines)) + "\n", "utf-8")
        assert main(["triage", "score", "--rule", rule, str(file), "--json"]) == 0
        rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
        return rows

    return score


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What is said of a table that cannot be scored."""

    def refuse(rule: str, text: str | bytes) -> str:
        file = tmp_path / "table.csv"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        assert main(["triage", "score", "--rule", rule, str(file)]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        return told.err

    return refuse


def steps(start: str, stop: str, step: str) -> list[str]:
    first, last, width = Decimal(start), Decimal(stop), Decimal(step)
    return [str(first + width * place) for place in range(int((last - first) / width) + 1)]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("rr", steps("0", "60", "0.5")), ("sbp", steps("40", "300", "0.5")), ("hr", steps("10", "250", "0.5")),
        ("temp", steps("30", "44", "0.01")),
    ],
)  # fmt: skip
def test_every_value_is_scored_as_the_chart_of_news2_says(scored, name: str, cells: list[str]) -> None:
    rows = scored("news2", *(line(**{name: cell}) for cell in cells))
    assert [row["points"][name] for row in rows] == [rcp(CHANNEL[name], float(cell)) for cell in cells]


@pytest.mark.parametrize("scale", ["1", "2"])
@pytest.mark.parametrize(("oxygen", "litres"), [("yes", 2.0), ("no", 0.0), ("", math.nan)])
def test_every_saturation_on_both_scales(scored, scale: str, oxygen: str, litres: float) -> None:
    cells = steps("60", "100", "0.5")
    rows = scored("news2", *(line(spo2=cell, spo2_scale=scale, on_o2=oxygen) for cell in cells))
    assert [row["points"]["spo2"] for row in rows] == [rcp_spo2(float(cell), litres, int(scale)) for cell in cells]


@pytest.mark.parametrize("rule", ["mews", "qsofa"])
def test_every_value_of_the_other_charts(scored, rule: str) -> None:
    columns = HEADS[rule].split(",")
    for name in set(columns) - {"acvpu"}:
        cells = steps("30", "44", "0.1") if name == "temp" else steps("30" if name == "sbp" else "0", "250", "1")
        cells = cells[:121] if name == "rr" else cells
        rows = scored(rule, *(",".join(cell if one == name else "" for one in columns) for cell in cells))
        chart = CHARTS[rule][CHANNEL[name]]
        expected = [next(points for low, high, points in chart if low <= float(cell) <= high) for cell in cells]
        assert [row["points"][name] for row in rows] == expected


@pytest.mark.parametrize(("letter", "news2", "mews"), [("A", 0, 0), ("c", 3, 1), ("V", 3, 1), ("p", 3, 2), ("U", 3, 3)])
def test_consciousness_is_a_letter(scored, letter: str, news2: int, mews: int) -> None:
    assert scored("news2", line(acvpu=letter))[0]["points"]["acvpu"] == news2
    assert scored("mews", f",,,,{letter}")[0]["points"]["acvpu"] == mews


@pytest.mark.parametrize(
    ("cells", "total", "single", "band"),
    [
        ({}, 0, False, "low"),
        ({"hr": "95"}, 1, False, "low"),
        ({"hr": "115", "rr": "22"}, 4, False, "low"),
        ({"rr": "25"}, 3, True, "low-medium"),
        ({"rr": "25", "hr": "95"}, 4, True, "low-medium"),
        ({"hr": "115", "rr": "22", "temp": "38.5"}, 5, False, "medium"),
        ({"rr": "25", "hr": "115"}, 5, True, "medium"),
        ({"hr": "115", "rr": "22", "on_o2": "ja"}, 6, False, "medium"),
        ({"hr": "115", "rr": "22", "on_o2": "1", "temp": "38.5"}, 7, False, "high"),
    ],
)
def test_the_band_follows_the_total_and_a_single_red(scored, cells, total: int, single: bool, band: str) -> None:
    (row,) = scored("news2", line(**cells))
    assert (row["total"], row["single_red"], row["band"], row["complete"]) == (total, single, band, True)


def test_what_is_missing_is_named_and_never_nothing(scored) -> None:
    for name in set(WELL) - {"spo2_scale"}:
        (row,) = scored("news2", line(**{name: ""}))
        assert row["missing"] == [name]
        assert row["points"][name] is None
        assert (row["total"], row["complete"], row["at_least"], row["band"]) == (0, False, True, None)
    (nobody,) = scored("news2", "," * 7)
    assert (nobody["total"], nobody["band"], nobody["at_least"]) == (None, None, False)


def test_a_partial_score_that_alarms_says_so_whatever_it_lacks(scored) -> None:
    rows = scored(
        "news2", line(temp="", rr="25"), line(temp="", rr="25", hr="115"), line(temp="", rr="25", hr="140", sbp="95")
    )
    assert [row["band"] for row in rows] == ["low-medium", "medium", "high"]
    assert all(row["at_least"] for row in rows)


def test_scale_2_does_not_punish_a_good_saturation_on_air(scored) -> None:
    assert scored("news2", line(spo2="97", spo2_scale="2"))[0]["points"]["spo2"] == 0
    assert scored("news2", line(spo2="97", spo2_scale="2", on_o2="yes"))[0]["points"]["spo2"] == 3
    assert scored("news2", line(spo2="91", spo2_scale=""))[0]["points"]["spo2"] == 3


def test_crb65_takes_one_low_pressure_but_wants_both_to_be_calm(scored) -> None:
    rows = scored("crb65", "no,20,120,80,64", "yes,30,89,,65", "no,20,120,60,40", "no,20,120,,40", "nei,29,90,61,64")
    assert [row["total"] for row in rows] == [0, 4, 1, 0, 0]
    assert [row["band"] for row in rows] == ["low", "high", "medium", None, "low"]
    assert rows[3]["missing"] == ["dbp"]


def test_the_shock_index_is_a_ratio(scored) -> None:
    rows = scored("shock_index", "72,120", "90,100", "100,100", "89,100", "90,")
    assert [row["total"] for row in rows] == [0.6, 0.9, 1.0, 0.89, None]
    assert [row["band"] for row in rows] == ["low", "medium", "high", "low", None]


def test_a_spreadsheet_from_norway_is_read_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ark.csv"
    file.write_bytes(
        "\ufeffNavn;RR;SpO2;spo2_scale;on_o2;SBP;HR;ACVPU;Temp\r\nKari;16;97;1;nei;120;70;A;38,05\r\n".encode()
    )
    assert main(["triage", "score", "--rule", "news2", str(file)]) == 0
    told = capsys.readouterr()
    assert "temp 1" in told.out
    assert "Kari" not in told.out + told.err
    assert "Navn" in told.err


def test_a_table_comes_from_standard_input_too(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hr,sbp\n95,100\n")))
    assert main(["triage", "score", "--rule", "shock_index", "-"]) == 0
    assert "0.95" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"temp": "98.6"}, ["row 2", "temp", "°C"]),
        ({"spo2": "0.97"}, ["row 2", "spo2", "%"]),
        ({"spo2": "970"}, ["row 2", "spo2"]),
        ({"sbp": "16"}, ["row 2", "sbp", "mmHg"]),
        ({"acvpu": "X"}, ["row 2", "acvpu", "A, C, V, P or U"]),
        ({"on_o2": "maybe"}, ["row 2", "on_o2", "yes or no"]),
        ({"spo2_scale": "1.5"}, ["row 2", "spo2_scale", "1, or 2"]),
        ({"hr": "fast"}, ["row 2", "hr", "not a number"]),
        ({"hr": "nan"}, ["row 2", "hr", "not a number"]),
        ({"hr": "-70"}, ["row 2", "hr", "cannot be"]),
        ({"hr": "1e2"}, ["row 2", "hr", "not a number"]),
    ],
)
def test_a_cell_that_cannot_be_is_named_with_the_mend(refused, cells: dict[str, str], words: list[str]) -> None:
    told = refused("news2", "\n".join((HEADS["news2"], line(), line(**cells))))
    assert all(word in told for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no column"]),
        ("hr,sbp\n", ["no rows"]),
        ("hr,spb\n90,100\n", ["'sbp'", "'spb' meant to be 'sbp'"]),
        ("hr\n90\n", ["'sbp'", "leave cells empty"]),
        ("hr,sbp,HR\n90,100,90\n", ["'hr' twice"]),
        ("hr,sbp\n90,100\n90\n", ["row 2", "1 cells under 2"]),
        ("hr,sbp\n36,9,100\n", ["row 1", "semicolons"]),
        (b"hr,sbp\n\xff,1\n", ["UTF-8"]),
        ('hr,sbp\n"90,100\n', ["quotation"]),
    ],
)
def test_a_table_that_is_none_is_refused_as_a_whole(refused, text: str | bytes, words: list[str]) -> None:
    told = refused("shock_index", text)
    assert all(word in told for word in words)


def test_a_file_that_is_not_there_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", "score", "--rule", "news2", "nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err


@pytest.mark.parametrize("rule", HEADS)
def test_the_columns_of_a_score_are_listed(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", "score", "--rule", rule, "--columns"]) == 0
    assert HEADS[rule] in capsys.readouterr().out
    assert main(["triage", "score", "--rule", rule, "--columns", "--json"]) == 0
    assert [one["column"] for one in json.loads(capsys.readouterr().out)["columns"]] == HEADS[rule].split(",")
