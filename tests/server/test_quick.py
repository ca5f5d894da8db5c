"""Statements that go the short way say the same as those that go the long one."""

import pytest
import sqlalchemy as sa

from server.patients.store import patients, patients_of
from server.quick import Among, Put, Quick, in_parts
from server.readings.chunks import chunks
from tests.server.conftest import Town

NAMED = Quick(sa.select(patients.c.name, patients.c.id).where(patients.c.id == sa.bindparam("who")))
MOVED = Quick(patients.update().where(patients.c.id == sa.bindparam("who")).values(place=sa.bindparam("to")))


def test_values_go_in_by_name_and_again_with_others(town: Town) -> None:
    with town.server.db.read() as tx:
        assert [NAMED.rows(tx, who=who) for who in ("eva", "odd", "nobody")] == [[("Eva", "eva")], [("Odd", "odd")], []]


def test_many_are_written_and_none_is_no_error(town: Town) -> None:
    with town.server.db.write() as tx:
        MOVED.many(tx, [{"who": "eva", "to": "here"}, {"to": "there", "who": "odd"}])
        MOVED.many(tx, [])
    with town.server.db.read() as tx:
        assert {one.id: one.place for one in patients_of(tx, None)} == {"eva": "here", "odd": "there"}


def test_rows_are_put_where_there_are_none_and_in_the_place_of_those_that_are_there(town: Town) -> None:
    """However many: as one statement for some of them, and one for what is left."""
    put, weeks = Put(chunks), range(123)

    def part(week: int, count: int) -> dict[str, object]:
        key = {"patient_id": "eva", "week": week, "part": 0}
        return {**key, "from_ns": week, "to_ns": week, "count": count, "seen": b"s", "identities": b"", "rest": b"r"}

    with town.server.db.write() as tx:
        put.many(tx, [part(week, 1) for week in weeks])
        put.many(tx, [part(week, 2) for week in weeks[:11]])
        put.many(tx, [])
    with town.server.db.read() as tx:
        found = tx.execute(sa.select(chunks.c.week, chunks.c["count"], chunks.c.seen).order_by(chunks.c.week))
        assert [tuple(row) for row in found] == [(week, 2 if week < 11 else 1, b"s") for week in weeks]


def test_more_names_than_a_question_takes_are_asked_in_parts(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    query = sa.select(patients.c.id).order_by(patients.c.id)
    monkeypatch.setattr("server.quick.AT_ONCE", 2)
    with town.server.db.read() as tx:
        for names, found in ((None, ["eva", "odd"]), ([], []), (["x", "odd", "a", "eva", "b"], ["eva", "odd"])):
            assert [one for (one,) in in_parts(tx, query, patients.c.id, names)] == found


def test_names_are_asked_for_as_they_are_and_one_that_no_text_can_hold_is_nobodys(town: Town) -> None:
    among = Among(sa.select(patients.c.id), patients.c.id)
    with town.server.db.read() as tx:
        for names, found in (
            (None, {"eva", "odd"}), ([], set()), (["eva", "x"], {"eva"}), (["odd\0", "eva\0x", '"eva"', "EVA"], set()),
        ):  # fmt: skip
            assert {one for (one,) in among.rows(tx, names)} == found
