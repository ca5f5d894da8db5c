"""How numbers become words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage import sentence


@pytest.mark.parametrize(
    ("template", "numbers", "nb", "en"),
    [
        ("{kg} kg", {"kg": 82.4}, "82,4 kg", "82.4 kg"),
        ("{kg:.1f} kg", {"kg": 82.0}, "82,0 kg", "82.0 kg"),
        ("{kg} kg", {"kg": 82.0}, "82 kg", "82 kg"),
        ("{kg} kg", {"kg": 100.0}, "100 kg", "100 kg"),
        ("{gain:+.1f} kg", {"gain": 2.05001}, "+2,1 kg", "+2.1 kg"),
        ("{gain:.0f}", {"gain": -0.2}, "0", "0"),
        ("{x} %", {"x": math.nan}, "ukjent %", "unknown %"),
        ("SpO₂[ {x} %][, {y} t]", {"x": 88.0}, "SpO₂ 88 %", "SpO₂ 88 %"),
        ("dose[ again{again:?}]", {"again": 1.0}, "dose again", "dose again"),
        ("dose[ again{again:?}]", {"again": 0.0}, "dose", "dose"),
        ("lacks:[ pulse{pulse:!},][ weight{weight:!},]", {"pulse": 0.0}, "lacks: weight", "lacks: weight"),
        ("for {h:wait} siden", {"h": 0.0}, "for 1 min siden", "for 1 min siden"),
        ("{h:wait}", {"h": 0.5}, "30 min", "30 min"),
        ("{h:wait}", {"h": 0.999}, "1 t", "1 h"),
        ("{h:wait}", {"h": 25.6}, "26 t", "26 h"),
        ("{h:wait}[ {h:wait}]", {"h": None}, "ukjent", "unknown"),
        ("{x}, [then {y}], end", {"x": 1.5}, "1,5, , end", "1.5, , end"),
    ],
)
def test_a_template_and_its_sentence(template, numbers, nb, en):
    assert sentence.render(template, numbers, "nb") == nb
    assert sentence.render(template, numbers, "en") == en


@pytest.mark.parametrize("template", ["{x", "x}", "[x", "{x:d}", "{x!r}", "{}", "[a [b]]", "{x.y}"])
def test_a_template_that_cannot_be_read_is_refused(template):
    with pytest.raises(ValueError, match="grammar"):
        sentence.parse(template)


def test_a_template_names_its_fields():
    assert sentence.fields("a {x} [b {y:.1f}{z:?}]") == {"x", "y", "z"}


@given(st.one_of(st.none(), st.floats()))
def test_no_number_ever_prints_as_nan(value):
    for spec in ("", ":.0f", ":+.2f", ":wait"):
        shown = sentence.render("{x" + spec + "}[ {x}]", {"x": value}, "en")
        assert not any(word in shown for word in ("nan", "inf", "None"))
