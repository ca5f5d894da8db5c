"""docs/explain-a-decision.md, word for word: its commands are run, and each line that it shows comes out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.test_triage_replay import Asked

PAGE = (Path(__file__).parents[2] / "docs" / "explain-a-decision.md").read_text(encoding="utf-8")


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Asked]:
    asked = Asked(tmp_path, capsys)
    yield asked
    asked.day.server.close()


def test_the_page_shows_what_comes_out(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(asked.folder)
    (programme,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (asked.folder / "copd-next.toml").write_text(programme, encoding="utf-8")
    shown = re.findall(r"```sh\nhjemvakt triage (.*?)\n```\n(?:\n```text\n(.*?)```)?", PAGE, re.S)
    assert len(shown) == PAGE.count("```sh") == 4
    for command, lines in shown:
        code, out, err = asked.say(*command.split())
        assert code == 0, err
        came = iter(out.splitlines())
        for line in lines.splitlines():
            assert line in came, f"{command}: {line!r} does not come, in this order, in\n{out}"
