"""docs/add-a-rule.md, word for word: the rule on the page passes the tests that every rule passes."""

import os
import re
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from triage.contract import rule

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "add-a-rule.md").read_text(encoding="utf-8")


@pytest.fixture
def follower(tmp_path):
    """A copy of the project in which somebody has done what the page says."""
    for part in ("vitals", "triage", "tests/triage", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    rule, story = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (programme,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (tmp_path / "triage" / "rules" / "fever.py").write_text(rule, encoding="utf-8")
    with (tmp_path / "tests" / "triage" / "test_rules.py").open("a", encoding="utf-8") as tests:
        tests.write(f"\n\n{story}")
    (tmp_path / "configs" / "programmes").mkdir(parents=True)
    (tmp_path / "configs" / "programmes" / "after-surgery.toml").write_text(programme, encoding="utf-8")
    return tmp_path


def in_copy(copy: Path, *command: str) -> str:
    """What a command in the copy prints; it must succeed, and see the copy's packages and no others."""
    env = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rule_on_the_page_is_found_and_tested_without_new_test_code(follower):
    (command,) = re.findall(r"```sh\n\.venv/bin/python (.*?)\n```", PAGE)
    said = in_copy(follower, *command.split())
    passed = int(re.search(r"(\d+) passed", said)[1])
    assert passed >= 12, said


def test_the_story_and_the_programme_on_the_page_hold_too(follower):
    tests = "tests/triage/test_rules.py", "tests/triage/test_programme.py"
    said = in_copy(follower, "-m", "pytest", *tests, "-k", "fever or (shipped_programme and whole)")
    assert "2 passed" in said


def test_all_that_may_be_said_of_a_rule_is_named() -> None:
    assert [name for name in signature(rule).parameters if not re.search(rf"\b{name}\b", PAGE)] == []
