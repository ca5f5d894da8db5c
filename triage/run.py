"""Every rule on every patient, and the verdicts as reasons a person can read.

The judging is done for all patients at once; a sentence is made only for a patient somebody asks about. Each rule is
shown exactly what it declared and no more, so a verdict never depends on which other rules are installed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage import sentence
from triage.contract import NEVER, Bools, Finding, Floats, Levels, Rule, Series, Window, levels
from vitals.alarm import Audience, Kind, Level, Reason
from vitals.clock import NS

_CANNOT = {"nb": "kan ikke vurderes, målinger mangler", "en": "cannot be judged, readings are missing"}


@dataclass(frozen=True)
class Verdicts:
    """What R rules say of P patients at `now_ns`: `level` [R, P], and per rule the numbers behind it, each [P].

    `tells` [R, P] of `vitals.alarm.Audience`; `asks` per rule: by channel, of whom it should be measured now, [P].
    """

    now_ns: int
    rules: tuple[Rule, ...]
    level: Levels
    because: tuple[Mapping[str, Floats], ...]
    tells: Levels
    asks: tuple[Mapping[str, Bools], ...]

    def worst(self, kind: Kind | None = None) -> Levels:
        """The worst level [P] over the rules of `kind` (all); UNKNOWN where nothing alarms but something is unknown."""
        level = self.level[[kind in (None, rule.kind) for rule in self.rules]]
        if not len(level):
            return levels(self.level.shape[1])
        worst = level.max(axis=0)
        return np.where((worst == Level.CALM) & (level == Level.UNKNOWN).any(axis=0), np.int8(Level.UNKNOWN), worst)

    def alarmed(self, kind: Kind | None = None) -> NDArray[np.intp]:
        """The rows of the patients for whom some rule of `kind` (any) alarms."""
        return np.flatnonzero(self.worst(kind) > Level.CALM)

    def reasons(
        self, patient: int, *, kind: Kind | None = None, unknown: bool = False, tells: Audience | None = None
    ) -> list[Reason]:
        """Why the patient in row `patient` alarms, worst first; with `unknown` also why a rule cannot tell.

        `tells`: only what is for them.
        """
        found = [
            self._reason(index, patient)
            for index in self._rows(kind)
            if (self.level[index, patient] > Level.CALM or (unknown and self.level[index, patient] == Level.UNKNOWN))
            and tells in (None, self.tells[index, patient])
        ]
        return sorted(found, key=lambda reason: (-reason.level, reason.rule))

    def wishes(self, patient: int) -> set[str]:
        """The channels that some rule wishes the patient in row `patient` to measure, or to answer, now."""
        return {name for asks in self.asks for name, asked in asks.items() if asked[patient]}

    def unknown(self, patient: int, *, kind: Kind | None = None) -> set[str]:
        """The names of the rules that cannot tell about the patient in row `patient`."""
        return {self.rules[index].name for index in self._rows(kind) if self.level[index, patient] == Level.UNKNOWN}

    def _rows(self, kind: Kind | None) -> list[int]:
        return [index for index, rule in enumerate(self.rules) if kind in (None, rule.kind)]

    def _reason(self, index: int, patient: int) -> Reason:
        rule, level = self.rules[index], Level(int(self.level[index, patient]))
        because = {name: _number(float(column[patient])) for name, column in self.because[index].items()}
        text = {language: _sentence(rule, level, because, language) for language in rule.text}
        tells = Audience(int(self.tells[index, patient]))
        return Reason(rule.name, rule.version, level, because, text, self.now_ns, tells)


def run(window: Window, rules: Iterable[Rule]) -> Verdicts:
    """Every rule on all patients of the window, which must have been made for these rules (`triage.grid.window`).

    Raises ValueError for a rule that answers in the wrong shape: a rule is ours, and a broken promise of ours is loud.
    """
    rules = tuple(rules)
    seen: dict[tuple[str, float, int], tuple[Series, Bools | None]] = {}
    findings = [_judged(window, rule, seen) for rule in rules]
    nobody, nurse = np.empty((0, window.patients), np.int8), np.full(window.patients, Audience.NURSE, np.int8)
    level = np.stack([finding.level for finding in findings]) if findings else nobody
    tells = [nurse if finding.tells is None else finding.tells for finding in findings]
    return Verdicts(
        window.now_ns, rules, level, tuple(finding.because for finding in findings),
        np.stack(tells) if tells else nobody, tuple(finding.asks for finding in findings),
    )  # fmt: skip


def _judged(window: Window, rule: Rule, seen: dict[tuple[str, float, int], tuple[Series, Bools | None]]) -> Finding:
    finding = rule.judge(_view(window, rule, seen))
    if finding.level.shape != (window.patients,) or finding.level.dtype != np.int8:
        raise ValueError(f"rule {rule.name!r}: level must be int8 [patients]; start from triage.contract.levels()")
    for name, column in finding.because.items():
        if column.shape != (window.patients,) or column.dtype != np.float64:
            raise ValueError(f"rule {rule.name!r}: because[{name!r}] must be float64 [patients]")
    tells = finding.tells
    if tells is not None and (tells.shape != (window.patients,) or tells.dtype != np.int8):
        raise ValueError(f"rule {rule.name!r}: tells must be int8 [patients], of vitals.alarm.Audience")
    for name, asked in finding.asks.items():
        if name not in rule.reads or asked.shape != (window.patients,) or asked.dtype != np.bool_:
            raise ValueError(f"rule {rule.name!r}: asks[{name!r}] must be bool [patients], of a channel that it reads")
    return finding


def _view(window: Window, rule: Rule, seen: dict[tuple[str, float, int], tuple[Series, Bools | None]]) -> Window:
    """The part of the window that the rule declared. `seen` spares cutting the same part for two rules."""

    def part(name: str, whole: Mapping[str, Series]) -> tuple[Series, Bools | None]:
        key = name, rule.window_s, rule.samples
        if key not in seen:
            seen[key] = _cut(window.now_ns, whole[name], window.quality.get(name), rule)
        return seen[key]

    channel = {name: part(name, window.channel) for name in rule.reads}
    return Window(
        now_ns=window.now_ns,
        patients=window.patients,
        channel={name: series for name, (series, _) in channel.items()},
        event={name: part(name, window.event)[0] for name in rule.events},
        limit={name: window.limit[name] for name in rule.limits},
        quality={name: trusted for name, (_, trusted) in channel.items() if trusted is not None},
        track={name: window.track[name] for name in rule.tracks},
    )


def _cut(now_ns: int, series: Series, trusted: Bools | None, rule: Rule) -> tuple[Series, Bools | None]:
    """The newest `rule.samples` no older than `rule.window_s`, as views where nothing has to be blanked out."""
    t_ns, value = series.t_ns[:, -rule.samples :], series.value[:, -rule.samples :]
    trusted = None if trusted is None else trusted[:, -rule.samples :]
    if rule.window_s:
        old = (t_ns < now_ns - round(rule.window_s * NS)) & (t_ns != NEVER)
        if old.any():
            t_ns, value = np.where(old, NEVER, t_ns), np.where(old, np.nan, value)
            trusted = None if trusted is None else trusted & ~old
    for array in (t_ns, value, *(() if trusted is None else (trusted,))):
        array.flags.writeable = False
    return Series(t_ns, value), trusted


def _sentence(rule: Rule, level: Level, because: Mapping[str, float | None], language: str) -> str:
    if level != Level.UNKNOWN:
        return sentence.render(rule.text[language], because, language)
    if language in rule.unknown:
        return sentence.render(rule.unknown[language], because, language)
    return f"{rule.title.get(language, rule.name)}: {_CANNOT.get(language, _CANNOT['en'])}"


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
