"""The command's own words: help that helps, and one line for what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"


def hjemvakt(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hjemvakt", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_says_what_it_is_for_and_gives_examples() -> None:
    said = hjemvakt("--help").stdout
    for word in ("demo", "gateway check", "server run", "sim run", "not a certified medical device"):
        assert word in said


@pytest.mark.parametrize("part", ["gateway", "server", "sim"])
def test_each_part_has_run_and_check(part: str) -> None:
    said = hjemvakt(part, "--help")
    assert said.returncode == 0
    assert "run" in said.stdout
    assert "check" in said.stdout


@pytest.mark.parametrize("part", ["server", "sim"])
def test_the_configurations_that_come_with_it_are_well(part: str) -> None:
    said = hjemvakt(part, "check", str(CONFIGS / f"{part}.toml"))
    assert said.returncode == 0, said.stderr
    assert "ok" in said.stdout
    assert said.stdout.count("\n") == 1


@pytest.mark.parametrize("part", ["gateway", "server", "sim"])
def test_a_misspelt_key_is_told_in_one_line_with_the_mend(part: str, tmp_path: Path) -> None:
    wrong = tmp_path / f"{part}.toml"
    wrong.write_text('nmae = "x"\n' + (CONFIGS / f"{part}.toml").read_text(encoding="utf-8"), encoding="utf-8")
    said = hjemvakt(part, "check", str(wrong))
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert str(wrong.name) in said.stderr
    assert "nmae" in said.stderr


@pytest.mark.parametrize("part", ["gateway", "server", "sim"])
def test_a_file_that_is_not_there_is_told_in_one_line(part: str) -> None:
    said = hjemvakt(part, "check", "nowhere.toml")
    assert said.returncode == 2
    assert said.stderr.count("nowhere.toml") == 1
    assert "(No such file or directory)" in said.stderr
    assert said.stderr.count("\n") == 1


def test_output_that_nobody_reads_is_no_crash() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "hjemvakt", "triage", "rules", "--json"]
    said = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert (said.returncode, said.stderr) == (1, "")
