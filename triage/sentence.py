"""Numbers into a sentence a nurse can read, in each language, without ever printing a number that is not there.

The grammar of a template is small on purpose:

    {low_min}        the number, at most two decimals and no idle zeros: 82.4, in Norwegian 82,4
    {gain_kg:.1f}    the number with just so many decimals; {gain_kg:+.1f} with its sign
    {newest:wait}    a time in hours as a person says it: "25 min" below an hour, "3 t" or "3 h" from there on
    {agreed:?}       prints nothing; is there if the number is, and is not zero
    {body_temp:!}    prints nothing; is there if the number is missing
    [, limit {x} %]  a clause: it stands if everything in it is there, and falls out as a whole otherwise

So a text variant is a clause, chosen by the numbers. Outside a clause a missing number is the word "unknown".
Punctuation that a fallen clause leaves hanging at the end is dropped.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

LANGUAGES = ("nb", "en")
_UNKNOWN = {"nb": "ukjent", "en": "unknown"}
_HOURS = {"nb": "t", "en": "h"}
_DECIMAL_COMMA = {"nb"}

_CLAUSE = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_FIELD = re.compile(r"\{(\w+)(?::(\?|!|wait|\+?\.\df))?\}|([^{}]+)")


@dataclass(frozen=True)
class Field:
    """A number's place in a clause. `spec` is "", "?", "!", "wait" or a format such as ".1f"."""

    name: str
    spec: str

    def there(self, numbers: Mapping[str, float | None]) -> bool:
        """Whether the clause that holds this field may stand."""
        value = _number(numbers, self.name)
        if self.spec == "!":
            return value is None
        return value is not None and (self.spec != "?" or value != 0)

    def shown(self, numbers: Mapping[str, float | None], language: str) -> str:
        """The number as the language writes it."""
        if self.spec in ("?", "!"):
            return ""
        value = _number(numbers, self.name)
        if value is None:
            return _UNKNOWN.get(language, _UNKNOWN["en"])
        if self.spec == "wait":
            return _wait(value, _HOURS.get(language, _HOURS["en"]))
        text = _plain(value) if self.spec == "" else _formatted(value, self.spec)
        return text.replace(".", ",") if language in _DECIMAL_COMMA else text


@dataclass(frozen=True)
class Clause:
    """A run of words and fields. An `optional` one stands only if all its fields are there."""

    optional: bool
    parts: tuple[str | Field, ...]

    def shown(self, numbers: Mapping[str, float | None], language: str) -> str:
        if self.optional and not all(part.there(numbers) for part in self.parts if isinstance(part, Field)):
            return ""
        return "".join(part if isinstance(part, str) else part.shown(numbers, language) for part in self.parts)


@lru_cache(maxsize=1024)
def parse(template: str) -> tuple[Clause, ...]:
    """The clauses of a template. Raises ValueError where it does not follow the grammar above."""
    clauses = []
    for found in _whole(_CLAUSE, template, template):
        optional = found[1] is not None
        clauses.append(Clause(optional, _parts(found[1] if optional else found[2], template)))
    return tuple(clauses)


def fields(template: str) -> set[str]:
    """The names of the numbers a template speaks of."""
    return {part.name for clause in parse(template) for part in clause.parts if isinstance(part, Field)}


def render(template: str, numbers: Mapping[str, float | None], language: str) -> str:
    """The template as a sentence. A number that is None, NaN, infinite or absent from `numbers` is missing."""
    text = "".join(clause.shown(numbers, language) for clause in parse(template))
    return re.sub(r"\s+", " ", text).strip().rstrip(" ,;:")


def _parts(text: str, template: str) -> tuple[str | Field, ...]:
    return tuple(Field(found[1], found[2] or "") if found[1] else found[3] for found in _whole(_FIELD, text, template))


def _whole(pattern: re.Pattern[str], text: str, template: str) -> list[re.Match[str]]:
    """The matches that make up all of `text`, or a ValueError."""
    matches = list(pattern.finditer(text))
    if sum(len(match[0]) for match in matches) != len(text):
        raise ValueError(f"the template {template!r} cannot be read: see the grammar in triage/sentence.py")
    return matches


def _number(numbers: Mapping[str, float | None], name: str) -> float | None:
    value = numbers.get(name)
    return value if value is not None and math.isfinite(value) else None


def _wait(hours: float, unit: str) -> str:
    return f"{max(1, round(hours * 60))} min" if hours < 59.5 / 60 else f"{hours:.0f} {unit}"


def _plain(value: float) -> str:
    return _formatted(value, ".2f").rstrip("0").rstrip(".")


def _formatted(value: float, spec: str) -> str:
    """As `format`, but never a minus before nothing but zeros."""
    return format(value, spec.replace(".", "z.", 1))
