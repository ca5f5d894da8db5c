"""Every programme that was run is kept, and one version means one thing."""

from pathlib import Path

import pytest

from server.patients.programmes import OURS, load
from server.patients.versions import of_digest, versions_of
from tests.server.conftest import START_NS, Town
from triage.programme import limits_for
from vitals.errors import ConfigError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of programmes that somebody may edit."""
    folder = tmp_path / "programmes"
    folder.mkdir()
    for path in OURS.glob("*.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def edited(own: Path, tmp_path: Path):
    town = Town(tmp_path, programmes=own)

    def edit(*changes: tuple[str, str]) -> Town:
        file = own / "copd.toml"
        text = file.read_text(encoding="utf-8")
        for find, put in changes:
            assert find in text
            text = text.replace(find, put)
        file.write_text(text, encoding="utf-8")
        town.clock.advance(hours=1)
        town.begin_again()
        return town

    yield edit
    town.server.close()


VERSION = f'version = "{load(None).of("copd").version}"'


def test_a_new_version_is_kept_beside_the_old_and_applies_from_the_next_start(edited) -> None:
    town = edited((VERSION, 'version = "9"'), ("spo2_floor = 90", "spo2_floor = 91"))
    with town.server.db.read() as tx:
        old, new = versions_of(tx, "copd")
        again = of_digest(tx, old.digest)
    assert (old.first_run_ns, new.programme.version) == (START_NS, "9")
    assert again is not None
    assert limits_for(again, {"spo2_usual": 94.0})["spo2_floor"] == 90, "what applied then can be worked out again"
    assert town.server.programmes.limits("copd", {})["spo2_floor"] == 91


def test_a_start_without_a_change_keeps_nothing_new(edited) -> None:
    town = edited(("# COPD", "# A comment. COPD"))
    with town.server.db.read() as tx:
        assert [kept.first_run_ns for kept in versions_of(tx, "copd")] == [START_NS]
        assert of_digest(tx, "0" * 16) is None


def test_another_text_under_the_same_version_is_refused_and_nothing_of_it_is_applied(edited) -> None:
    with pytest.raises(
        ConfigError, match=r"'copd': version .* is not what it was .*: give the changed programme a new"
    ):
        edited(("spo2_floor = 90", "spo2_floor = 91"))
    town = edited(("spo2_floor = 91", "spo2_floor = 90"))
    with town.server.db.read() as tx:
        assert len(versions_of(tx, "copd")) == 1
