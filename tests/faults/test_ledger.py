"""The counting is what every verdict rests on."""

from pathlib import Path

from tests.faults.ledger import Count, Ledger, compare


def test_each_once_is_whole() -> None:
    assert compare(["a 1:1", "a 1:2"], ["a 1:2", "a 1:1"]) == Count(2, 0, 0, 0)
    assert compare(["a 1:1"], ["a 1:1"]).whole


def test_what_is_missing_there_twice_or_from_nowhere_is_told_apart() -> None:
    assert compare(["a", "b", "c"], ["a", "a", "a", "c", "x"]) == Count(3, lost=1, doubled=2, strange=1)
    assert not compare(["a", "b"], ["a", "b", "b"]).whole
    assert not compare(["a"], ["a", "x"]).whole


def test_nothing_measured_proves_nothing() -> None:
    assert not compare([], []).whole


def test_a_record_is_in_the_file_as_soon_as_it_is_noted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.note("box-1 00000001:1")
    assert ledger.records() == ["box-1 00000001:1"]
    ledger.close()
