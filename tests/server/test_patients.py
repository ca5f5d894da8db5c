"""Who is who, and whose was what: the municipality file as history."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from server.patients.store import Whose, all_patients, assignments, patient, patients
from tests.server.conftest import START_NS, Town, at, spo2
from vitals.errors import ConfigError


def registered(tx: sa.Connection) -> tuple[object, ...]:
    """Every person and every assignment."""
    people = tx.execute(sa.select(patients).order_by(patients.c.id)).all()
    return people, tx.execute(sa.select(assignments).order_by(assignments.c.device, assignments.c.from_ns)).all()


def test_the_same_file_again_changes_nothing(town: Town) -> None:
    with town.server.db.read() as tx:
        before = registered(tx)
    town.clock.advance(hours=1)
    town.begin_again()
    with town.server.db.read() as tx:
        assert registered(tx) == before


def test_a_correction_is_taken_and_what_is_gone_from_the_file_is_kept(town: Town) -> None:
    town.send(spo2(94, START_NS))
    rewrite(town, 'name = "Eva"', 'name = "Eva Marie"')
    with town.server.db.read() as tx:
        found = patient(tx, "eva")
    assert found is not None
    assert found.name == "Eva Marie"

    (town.folder / "municipality.toml").write_text('name = "Prøveby"')
    town.begin_again()
    with town.server.db.read() as tx:
        assert [one.id for one in all_patients(tx)] == ["eva", "odd"]
    town.send(spo2(95, START_NS + 1), first=1)
    assert town.values("eva") == [94, 95], "the oximeter is still hers"


def test_a_device_cannot_become_two_peoples_by_editing_the_file(town: Town) -> None:
    oximeter = 'device = "oximeter"\npatient = "eva"\nfrom = 2026-01-01T00:00:00Z\n'
    with pytest.raises(ConfigError, match=r"oximeter would belong to eva and odd .* `to`"):
        rewrite(town, oximeter, oximeter.replace("eva", "odd").replace("2026-01", "2026-02"))
    with town.server.db.read() as tx:
        found = sa.select(assignments.c.patient_id).where(assignments.c.device == "oximeter")
        assert tx.execute(found).scalars().all() == ["eva"], "nothing of it was applied"


def test_a_limit_that_cannot_be_meant_is_refused_with_the_patients_id(town: Town) -> None:
    with pytest.raises(ConfigError, match=r"patient eva: .*spo2_flor.*spo2_floor"):
        rewrite(town, 'programme = "copd"', 'programme = "copd"\nlimits = { spo2_flor = 88 }')
    with pytest.raises(ConfigError, match=r"patient eva: there is no programme 'cops'.*copd"):
        rewrite(town, 'programme = "copd"\nlimits = { spo2_flor = 88 }', 'programme = "cops"')
    with pytest.raises(ConfigError, match=r"patient eva: .*spo2_floor = nan is not plausible"):
        rewrite(town, 'programme = "cops"', 'programme = "copd"\nlimits = { spo2_floor = nan }')


@given(
    st.lists(st.integers(0, 40), min_size=2, max_size=8, unique=True).map(sorted),
    st.integers(-5, 45),
)
def test_at_any_moment_a_device_is_one_persons_or_nobodys(edges: list[int], t: int) -> None:
    spans = [("d", a, b, f"p{a}") for a, b in zip(edges[::2], edges[1::2], strict=False)]
    expected = [p for _, a, b, p in spans if a <= t < b]
    assert [Whose(reversed(spans)).patient_at("d", t)] == (expected or [None])
    assert Whose(spans).patient_at("other", t) is None


def test_the_moments_of_the_file_are_exact(town: Town) -> None:
    with town.server.db.read() as tx:
        rows = tx.execute(sa.select(assignments.c.to_ns).where(assignments.c.to_ns.is_not(None))).scalars().all()
    assert rows == [at("2026-03-01T12:00:00")]


def rewrite(town: Town, find: str, put: str) -> None:
    """Edit the municipality file and start the server again."""
    file = town.folder / "municipality.toml"
    text = file.read_text(encoding="utf-8")
    assert find in text
    file.write_text(text.replace(find, put), encoding="utf-8")
    town.begin_again()
