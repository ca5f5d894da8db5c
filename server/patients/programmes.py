"""The programmes that patients follow: read from their files at the start, and changed on the page of programmes.

Everybody who asks holds the same `Programmes`, so what is put in force is in force for all of them with their next
question. Which version is in force, the database says (`server.programmes.store`).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from server.municipality import Patient
from server.patients.store import PatientRecord
from triage.contract import Rule
from triage.programme import Programme, limits_for, parse
from vitals.errors import ConfigError, reason

OURS = Path(__file__).parents[2] / "configs" / "programmes"


class _Now(NamedTuple):
    """What is in force, and the limits of whoever has none of their own, as far as anybody has asked."""

    programmes: Mapping[str, Programme]
    usual: dict[str, dict[str, float]]


class Programmes:
    """Programmes by name, with the text of each that was read from one. Thread-safe.

    A name that is not there is a ConfigError that says which there are.
    """

    def __init__(self, programmes: Mapping[str, Programme], texts: Mapping[str, str] | None = None) -> None:
        self._now = _Now(dict(programmes), {})
        self.texts = dict(texts or {})
        """Of those that were read from a file: what it says."""

    @property
    def names(self) -> list[str]:
        return sorted(self._now.programmes)

    def of(self, name: str) -> Programme:
        """The programme itself."""
        return _of(self._now, name)

    def title(self, name: str) -> dict[str, str]:
        """The programme's title, by language."""
        return self.of(name).title

    def rules(self, name: str) -> tuple[Rule, ...]:
        """The rules that watch over its patients."""
        return self.of(name).rules_of()

    def limits(self, programme: str, personal: Mapping[str, float]) -> dict[str, float]:
        """Every limit of a patient: the rules' defaults, the programme's, then the personal ones."""
        now = self._now  # what is worked out of one programme must not be remembered of the next
        if personal:
            return limits_for(_of(now, programme), personal)
        if programme not in now.usual:  # most have none of their own, and everybody is looked at again and again
            now.usual[programme] = limits_for(_of(now, programme), {})
        return dict(now.usual[programme])

    def expected_s(self, programme: str, channel: str) -> float | None:
        """How often the channel is to be measured, in seconds; None where nothing is asked for."""
        return next((one.every_s for one in self.of(programme).expect if one.channel == channel), None)

    def put(self, *programmes: Programme) -> None:
        """From now on these are what is in force under their names."""
        self._now = _Now({**self._now.programmes, **{one.name: one for one in programmes}}, {})

    def but(self, programme: Programme) -> "Programmes":
        """A copy with that one in the place of what is in force under its name."""
        return Programmes({**self._now.programmes, programme.name: programme}, self.texts)


def _of(now: _Now, name: str) -> Programme:
    try:
        return now.programmes[name]
    except KeyError:
        raise ConfigError(
            f"there is no programme {name!r}", f"use one of {', '.join(sorted(now.programmes))}"
        ) from None


def read(path: Path) -> Programme:
    """The programme in that file; raises ConfigError."""
    return parse(_text(path), str(path))


def load(folder: Path | None) -> Programmes:
    """Every `*.toml` of `folder` (None: those that come with Hjemvakt), by name; raises ConfigError."""
    place = OURS if folder is None else folder
    programmes: dict[str, Programme] = {}
    texts: dict[str, str] = {}
    for path in sorted(place.glob("*.toml")):
        text = _text(path)
        programme = parse(text, str(path))
        if programme.name in programmes:
            raise ConfigError(f"{path}: a second programme is called {programme.name!r}", "rename one of them")
        programmes[programme.name], texts[programme.name] = programme, text
    if not programmes:
        raise ConfigError(f"{place} has no programmes", "put at least one .toml there, or remove `programmes`")
    return Programmes(programmes, texts)


def check_limits(programmes: Programmes, people: Iterable[PatientRecord | Patient]) -> None:
    """That everybody's programme is there and takes their limits; raises ConfigError that names the patient."""
    for person in people:
        try:
            programmes.limits(person.programme, person.limits)
        except ConfigError as error:
            raise ConfigError(f"patient {person.id}: {error.text}", error.mend) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({reason(error)})", "name a readable UTF-8 file") from error
