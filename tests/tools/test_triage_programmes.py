"""`hjemvakt triage programmes`, as somebody who writes one uses it."""

import json
import re
from pathlib import Path

import pytest

from hjemvakt.__main__ import main
from server.patients.programmes import OURS, load
from triage.plan import Sooner
from triage.programme import Programme, limits_for

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "programmes.md").read_text(encoding="utf-8")


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["triage", "programmes", *argv])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_every_programme_has_a_line_with_its_version_and_digest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys)
    assert code == 0
    copd = load(None).of("copd")
    assert [line.split()[0] for line in out.splitlines()[1:]] == load(None).names
    (line,) = [line for line in out.splitlines() if line.startswith("copd")]
    assert line.split()[1:3] == [copd.version, copd.digest]


def test_a_program_gets_the_same_with_every_limit_and_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    about = {one["name"]: one for one in json.loads(said(capsys, "--json")[1])}
    assert set(about) == set(load(None).names)
    limits = about["copd"]["limits"]
    assert limits["spo2_floor"] == {"value": 90, "low": 40, "high": 100}
    assert limits["spo2_usual"]["value"] is None
    assert "gateway_silent" not in limits
    mine = {name: one["value"] for name, one in limits.items() if one["value"] is not None}
    assert mine.items() <= limits_for(load(None).of("copd"), {}).items()
    assert json.loads(said(capsys, "show", "copd", "--json")[1]) == about["copd"]
    assert json.loads(said(capsys, "--json", "show", "copd")[1]) == about["copd"]


def test_one_programme_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "show", "copd")[1]
    assert "SpO₂ below the limit" in out
    (line,) = [line for line in out.splitlines() if line.startswith("  spo2_floor ") and " to " in line]
    assert line.split()[:5] == ["spo2_floor", "90", "40", "to", "100"]
    code, _, err = said(capsys, "show", "cpod")
    assert (code, "there is no programme 'cpod': use one of " in err) == (2, True)


def test_files_are_checked_one_by_one_and_the_slip_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good, bad = OURS / "copd.toml", tmp_path / "mine.toml"
    bad.write_text(good.read_text(encoding="utf-8").replace("spo2_floor = 90", "spo2_flor = 90"), encoding="utf-8")
    code, out, err = said(capsys, "check", str(bad), str(good))
    assert code == 2
    assert out.startswith(f"{good}: ok: copd ")
    assert err.startswith(f"{bad}: no rule of the programme has a limit 'spo2_flor': did you mean 'spo2_floor'")
    assert said(capsys, "check", str(good), str(good))[0] == 2, "two of one name"
    assert "cannot be read" in said(capsys, "check", str(tmp_path / "none.toml"))[2]


def test_the_page_has_every_field_and_every_programme() -> None:
    fields = set(re.findall(r"^\| `\[*([\w-]+)\]*` \|", PAGE.partition("\n## Fields\n")[2], re.MULTILINE))
    assert fields >= {*Programme.__struct_fields__, *load(None).names}
    assert set(Sooner.__struct_fields__) <= set(re.findall(r"`(\w+)`", PAGE))


@pytest.mark.parametrize("number", [0, 1])
def test_the_programmes_on_the_page_can_be_used(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = re.findall(r"```toml\n(name = .*?)```", PAGE, re.DOTALL)[number]
    if "[title]" not in example:
        example += '[title]\nnb = "Studie"\nen = "Study"\n'
    (tmp_path / "example.toml").write_text(example, encoding="utf-8")
    assert said(capsys, "check", str(tmp_path / "example.toml"))[0] == 0
