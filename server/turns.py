"""A lock that goes to whoever has waited longest.

`threading.Lock` goes to whoever takes it first. A thread that lets go of one and takes it again at once nearly always
is that one, and who waits meanwhile waits for as long as the other has work: readings for all of a look at everybody,
or the engine for as long as readings come.
"""

import threading
from collections import deque
from types import TracebackType

_NOBODY, _NEXT = 0, -1


class Turns:
    """For `with`. Whoever has it may take it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._owner = _NOBODY
        """The thread that has it; _NEXT while it is on its way to one that was waiting."""
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._lock:
            if self._owner == me:
                self._depth += 1
                return
            if self._owner == _NOBODY:
                self._owner, self._depth = me, 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:
            self._leave(turn)
            raise
        self._owner, self._depth = me, 1

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth:
                self._pass_on()

    def _leave(self, turn: threading.Lock) -> None:
        """Interrupted while waiting: what was handed over at that moment goes on to the next."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)
            else:
                self._pass_on()

    def _pass_on(self) -> None:
        if self._waiting:
            self._owner = _NEXT
            self._waiting.popleft().release()
        else:
            self._owner = _NOBODY
