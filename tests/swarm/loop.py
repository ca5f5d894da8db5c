"""Time that is only reckoned: an event loop in which waiting takes no time and everything happens in one order.

Where asyncio would sleep until the next timer is due, this one sets its clock to it. There is no thread beside it:
what would run in an executor runs at once. So the same coroutines with the same draws do the same, to the last step.
"""

import asyncio
import math
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

_TICKS = 2**20
"""A second has so many moments. Sums of them are exact, so that a timer is never woken a rounding error too early and
then waits for nothing, which here would be for ever."""


class Stuck(Exception):
    """Everybody waits, and nothing will ever happen."""


class _NoWaiting(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck("everybody waits for something that nobody will do")
        self.now_s = math.ceil((self.now_s + max(0.0, timeout)) * _TICKS) / _TICKS
        return []


class SwarmLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 0 and is the swarm's only time. Close it like any other."""

    def __init__(self) -> None:
        self._still = _NoWaiting()
        super().__init__(self._still)

    def time(self) -> float:
        return self._still.now_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Done when it returns. What is no Exception (the power failing in the server) is nobody's result."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it is told
            future.set_exception(error)
        return future
