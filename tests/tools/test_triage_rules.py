"""`hjemvakt triage rules`: a page and a list that say what the rules say."""

import json
from pathlib import Path

import pytest

from hjemvakt.__main__ import main
from triage.catalogue import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rules.md"


def test_the_page_is_what_the_rules_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", "rules", "--markdown"]) == 0
    assert PAGE.read_text("utf-8") == capsys.readouterr().out, "renew it: hjemvakt triage rules --markdown"


def test_every_rule_has_a_line_and_a_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", "rules"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(catalogue())
    assert main(["triage", "rules", "--json"]) == 0
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert [name for name, one in told.items() if not one["source"]] == []
    assert told["spo2_floor"]["limits"]["spo2_floor"] == {"default": 90, "from": 40, "to": 100}
    assert told["crb65"]["limits"]["age_years"]["default"] is None
