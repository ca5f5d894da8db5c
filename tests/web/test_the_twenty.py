"""That each of the twenty behaviours that a nurse expects of the screens has its story in a real browser."""

import re
from pathlib import Path

STORY = re.compile(r"^def test_behaviour_(\d\d)_", re.MULTILINE)


def test_each_of_the_twenty_has_one_story() -> None:
    files = Path(__file__).parent.glob("test_*.py")
    told = sorted(int(number) for file in files for number in STORY.findall(file.read_text(encoding="utf-8")))
    assert told == list(range(1, 21))
