"""How the tests come to their InfluxDB: built once, whole or not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import influxd, left_out

ROOT = Path(__file__).parents[3]
GO = """#!/bin/sh
echo built >> "$COUNT"
echo half > "$GOBIN/influxd"
{then}
"""


def building(folder: Path, then: str = "exit 0") -> "subprocess.Popen[str]":
    """The command, with a Go that writes something at once."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    go = programs / "go"
    go.write_text(GO.format(then=then), encoding="utf-8")
    go.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder), "COUNT": str(folder / "count"),
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.influxd"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_several_at_once_build_it_once_and_have_it_whole(tmp_path: Path) -> None:
    both = [building(tmp_path, 'sleep 0.5; echo whole > "$GOBIN/influxd"') for _ in range(2)]
    said = [one.communicate(timeout=60)[0].split()[0] for one in both]
    assert said[0] == said[1]
    assert Path(said[0]).read_text(encoding="utf-8") == "whole\n"
    assert (tmp_path / "count").read_text(encoding="utf-8").splitlines() == ["built"]
    again = building(tmp_path)
    assert again.communicate(timeout=60)[0].split() == [said[0]]


def test_a_build_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    failing = building(tmp_path, "echo cannot fetch it >&2; exit 1")
    out, err = failing.communicate(timeout=60)
    assert (failing.returncode, out) == (1, "")
    mend = "see that Go's modules and cargo's can be fetched"
    assert err == f"error: InfluxDB cannot be built (cannot fetch it): {mend}\n"
    assert [path.suffix for path in (tmp_path / "hjemvakt").iterdir()] == [".lock"]


def test_a_machine_without_go_and_without_it_says_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tests.influxd.go", lambda: None)
    assert left_out.lacking()["influx"] == "the tests over a real InfluxDB (Go builds it once)"
    program = left_out.influxd.cached()
    program.parent.mkdir()
    program.touch()
    assert "influx" not in left_out.lacking()


def test_what_takes_ten_minutes_to_build_is_left_out_and_named_and_ci_goes_on_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr("tests.influxd.go", lambda: "go")
    monkeypatch.setattr("tests.left_out.NEEDS", {})
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert left_out.main() == 0
    assert "`make influx27` builds and runs it" in capsys.readouterr().err
    monkeypatch.setattr("tests.left_out.NEEDS", {"anvil": ("anvil", "/no/anvil", "the tests on an anvil")})
    assert left_out.main() == 1


def test_two_is_not_begun_without_cargo_and_no_other_version_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tests.influxd.go", lambda: "go")
    monkeypatch.setattr("tests.influxd.cargo", lambda: None)
    monkeypatch.setattr("sys.argv", ["influxd", influxd.TWO])
    assert influxd.main() == 1
    assert "install cargo" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["influxd", "3.0"])
    assert influxd.main() == 2
