"""What a device says of a reading is said on the page in a person's words, never in ours."""

import re
from pathlib import Path

import pytest

from vitals.block import STATUS

I18N = Path(__file__).parents[2] / "server" / "web" / "src" / "i18n"


@pytest.mark.parametrize("language", ["nb", "en"])
def test_the_page_has_words_for_whatever_a_device_may_say(language: str) -> None:
    """Else a nurse reads `below_range` beside a glucose that is lower than it looks."""
    text = (I18N / f"status.{language}.ts").read_text(encoding="utf-8")
    assert re.findall(r'^  (\w+): ".+",$', text, re.MULTILINE) == list(STATUS)
