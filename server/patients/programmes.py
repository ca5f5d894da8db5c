"""The programmes that patients follow, read once at start."""

from collections.abc import Mapping
from pathlib import Path

from triage.contract import Rule
from triage.programme import Programme, limits_for, parse
from vitals.errors import ConfigError

OURS = Path(__file__).parents[2] / "configs" / "programmes"


class Programmes:
    """Programmes by name. A name that is not there is a ConfigError that says which there are."""

    def __init__(self, programmes: Mapping[str, Programme]) -> None:
        self._programmes = dict(programmes)
        self._usual: dict[str, dict[str, float]] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._programmes)

    def of(self, name: str) -> Programme:
        """The programme itself."""
        return self._of(name)

    def title(self, name: str) -> dict[str, str]:
        """The programme's title, by language."""
        return self._of(name).title

    def rules(self, name: str) -> tuple[Rule, ...]:
        """The rules that watch over its patients."""
        return self._of(name).rules_of()

    def limits(self, programme: str, personal: Mapping[str, float]) -> dict[str, float]:
        """Every limit of a patient: the rules' defaults, the programme's, then the personal ones."""
        if personal:
            return limits_for(self._of(programme), personal)
        if programme not in self._usual:  # most have none of their own, and everybody is looked at again and again
            self._usual[programme] = limits_for(self._of(programme), {})
        return dict(self._usual[programme])

    def expected_s(self, programme: str, channel: str) -> float | None:
        """How often the channel is to be measured, in seconds; None where nothing is asked for."""
        return next((one.every_s for one in self._of(programme).expect if one.channel == channel), None)

    def _of(self, name: str) -> Programme:
        try:
            return self._programmes[name]
        except KeyError:
            raise ConfigError(f"there is no programme {name!r}", f"use one of {', '.join(self.names)}") from None


def read(path: Path) -> Programme:
    """The programme in that file; raises ConfigError."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error})", "make it readable UTF-8 text") from error


def load(folder: Path | None) -> Programmes:
    """Every `*.toml` of `folder` (None: those that come with Hjemvakt), by name; raises ConfigError."""
    place = OURS if folder is None else folder
    programmes: dict[str, Programme] = {}
    for path in sorted(place.glob("*.toml")):
        programme = read(path)
        if programme.name in programmes:
            raise ConfigError(f"{path}: a second programme is called {programme.name!r}", "rename one of them")
        programmes[programme.name] = programme
    if not programmes:
        raise ConfigError(f"{place} has no programmes", "put at least one .toml there, or remove `programmes`")
    return Programmes(programmes)
