"""The documents lead nowhere that is not there: their links, the files, commands, make targets and routes."""

import json
import re
from itertools import takewhile
from pathlib import Path

import pytest

from hjemvakt.__main__ import main

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
YET_TO_BE_WRITTEN = {
    "drivers/example_pef.py", "tests/drivers/captures/example-pef-normal.cap", "triage/rules/fever.py",
}  # fmt: skip
"""What the reader of a guide makes."""

_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ROOMS = r"benchmarks|configs|docs|drivers|firmware_sim|gateway|hjemvakt(?!/1\b)|server|tests|triage|vitals"
_FILE = re.compile(rf"(?<![\w./-])(?:{_ROOMS})/[\w./-]*\w")
_TARGET = re.compile(r"(?:^|`)make ([\w-]+)(?=`|$| [A-Z]+=)", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|`|\$ |bin/)hjemvakt ([a-z][^`\n#|>]*)", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z-]+")
_ROUTE = re.compile(r"(?:GET|PUT|POST|DELETE|PATCH) (/api/[\w/-]+)")


def prose(page: Path) -> str:
    """A page without the blocks of code in it."""
    return _CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link: its words in small letters, with hyphens."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {words.strip().replace(" ", "-") for words in plain}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    for name, anchor in _LINK.findall(prose(page)):
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{name} is not there"
        assert not anchor or anchor in anchors(there), f"{name or 'the page'} has no heading #{anchor}"


def test_the_readme_leads_to_every_page() -> None:
    linked = {(ROOT / name).resolve() for name, _ in _LINK.findall(prose(ROOT / "README.md"))}
    assert [page.name for page in PAGES if not linked & {page, page.parent} and page.name != "README.md"] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = set(_FILE.findall(page.read_text(encoding="utf-8"))) - YET_TO_BE_WRITTEN
    assert [name for name in sorted(named) if not any((at / name).exists() for at in (ROOT, page.parent))] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_is_named_is_one_and_has_the_options(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for said in set(_COMMAND.findall(page.read_text(encoding="utf-8"))):
        words = list(takewhile(re.compile("[a-z-]+[a-z]").fullmatch, said.split()))
        with pytest.raises(SystemExit) as ended:
            main([*takewhile(lambda word: not word.startswith("-"), words), "--help"])
        assert ended.value.code == 0, said
        told = capsys.readouterr().out
        assert [option for option in _OPTION.findall(said) if option not in told] == [], said


def test_every_make_target_that_is_named_is_there() -> None:
    made = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {target for page in PAGES for target in _TARGET.findall(page.read_text(encoding="utf-8"))} <= made


def test_every_route_that_is_named_is_there() -> None:
    contract = json.loads((ROOT / "server" / "web" / "openapi.json").read_text(encoding="utf-8"))
    served = [re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for path in contract["paths"]]
    for page in PAGES:
        for route in _ROUTE.findall(page.read_text(encoding="utf-8")):
            assert any(path.fullmatch(route) for path in served), f"{page.name}: {route}"
