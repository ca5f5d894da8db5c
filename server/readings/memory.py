"""What a process keeps in memory of a database's readings: the shelf, and what is asked most of it.

It is made from the database when it is first asked for, and again after every start. It learns from SQLAlchemy when a
transaction has ended, and how.
"""

import threading
import weakref
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import event

from server.readings.newest import Newest
from server.readings.rings import Rings
from server.readings.shelf import Shelf


class Memory(NamedTuple):
    """Of one database."""

    shelf: Shelf
    rings: Rings
    newest: Newest


_MEMORIES: "weakref.WeakKeyDictionary[sa.Engine, Memory]" = weakref.WeakKeyDictionary()
_making = threading.Lock()


def memory_of(tx: sa.Connection) -> Memory:
    """The memory of this connection's database."""
    found = _MEMORIES.get(tx.engine)
    if found is not None:
        return found
    with _making:
        if tx.engine not in _MEMORIES:
            _MEMORIES[tx.engine] = _made(tx)
        return _MEMORIES[tx.engine]


def _made(tx: sa.Connection) -> Memory:
    shelf = Shelf(tx)
    memory = Memory(shelf, Rings(shelf), Newest(shelf))
    shelf.when_ended(memory.rings.ended)
    shelf.when_ended(memory.newest.ended)
    event.listen(tx.engine, "begin", shelf.begun)
    event.listen(tx.engine, "commit", shelf.committing)
    event.listen(tx.engine, "rollback", shelf.rolled_back)
    event.listen(tx.engine, "checkin", shelf.returned)
    return memory
