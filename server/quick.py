"""A statement that is put into words once for each kind of database, and then asked without a detour.

SQLAlchemy's own way is right wherever a statement is run now and then. Where one is run for each batch or each look at
a chart, it costs ten times what the database itself needs for the answer.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

AT_ONCE = 5_000
"""So many names in one question: SQLite itself allows 32,766."""


def in_parts(
    tx: sa.Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], names: Collection[str] | None
) -> Iterator[Any]:
    """What it selects of these names (None: of all), the query asked once for each AT_ONCE of them."""
    if names is None:
        yield from tx.execute(query)
        return
    ordered = sorted(names)
    for start in range(0, len(ordered), AT_ONCE):
        yield from tx.execute(query.where(column.in_(ordered[start : start + AT_ONCE])))


class Among:
    """`query` of those whose `column`, a text, has one of some names. It may have bound parameters by name.

    The names are one value, however many they are: so the statement is put into words once, where a list with a place
    for each name costs more to put together, each time, than the answer.
    """

    def __init__(self, query: sa.Select[Any], column: sa.ColumnElement[Any]) -> None:
        self._every = query
        as_json = sa.func.json_each(sa.bindparam("names", type_=sa.Text)).table_valued("value")
        as_array = sa.bindparam("names", type_=postgresql.ARRAY(sa.Text))
        self._some = {
            "sqlite": query.where(column.in_(sa.select(as_json.c.value))),
            "postgresql": query.where(column == sa.any_(as_array)),
        }

    def rows(self, tx: sa.Connection, names: Iterable[str] | None, **values: Any) -> Iterable[Any]:
        """What it selects of these names (None: of all). A name with a NUL in it is nobody's: PostgreSQL has no such
        text, and SQLite would cut it there, into another's."""
        if names is None:
            return tx.execute(self._every, values)
        ordered = sorted(name for name in set(names) if "\0" not in name)
        if not ordered:
            return ()
        kind = tx.dialect.name
        given = ordered if kind == "postgresql" else msgspec.json.encode(ordered).decode()
        return tx.execute(self._some[kind], {**values, "names": given})


class Quick:
    """`statement` may have bound parameters by name. Values go in and come out as the driver takes and gives them."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._said: dict[str, tuple[str, Sequence[str] | None]] = {}

    def rows(self, tx: sa.Connection, **values: Any) -> list[tuple[Any, ...]]:
        """What it selects."""
        text, order = self._words(tx)
        wire: Any = tx.connection.dbapi_connection
        found: list[tuple[Any, ...]] = wire.execute(text, _given(order, values)).fetchall()
        return found

    def many(self, tx: sa.Connection, values: Sequence[Mapping[str, Any]]) -> None:
        """Run it for each of these."""
        if not values:
            return
        text, order = self._words(tx)
        cursor = tx.connection.cursor()
        try:
            cursor.executemany(text, [_given(order, one) for one in values])
        finally:
            cursor.close()

    def _words(self, tx: sa.Connection) -> tuple[str, Sequence[str] | None]:
        said = self._said.get(tx.dialect.name)
        if said is None:
            compiled = self._statement.compile(dialect=tx.dialect)
            said = self._said[tx.dialect.name] = str(compiled), compiled.positiontup
        return said


class Put:
    """Puts rows into a table, each instead of the one of its primary key, if there is one.

    So many at a time as one statement: between two of them the interpreter goes to another thread that waits for it,
    and a thousand statements beside a busy one hold the database for a thousand of its turns.
    """

    _SIZES = 100, 10, 1

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._names = [column.name for column in table.columns]
        self._key = [column.name for column in table.primary_key]
        self._quick: dict[tuple[str, int], Quick] = {}

    def many(self, tx: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put these; each has all columns."""
        start = 0
        for size in self._SIZES:
            while len(rows) - start >= size:
                some = rows[start : start + size]
                start += size
                given = {f"{name}_{n}": row[name] for n, row in enumerate(some) for name in self._names}
                self._of(tx.dialect.name, size).many(tx, [given])

    def _of(self, kind: str, size: int) -> Quick:
        if (kind, size) not in self._quick:
            places: list[dict[str, Any]] = [
                {name: sa.bindparam(f"{name}_{n}") for name in self._names} for n in range(size)
            ]
            put = _INSERT[kind](self._table).values(places)
            others = {name: put.excluded[name] for name in self._names if name not in self._key}
            self._quick[kind, size] = Quick(put.on_conflict_do_update(index_elements=self._key, set_=others))
        return self._quick[kind, size]


_INSERT: Mapping[str, Callable[[sa.Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def _given(order: Sequence[str] | None, values: Mapping[str, Any]) -> Any:
    return values if order is None else [*map(values.__getitem__, order)]
