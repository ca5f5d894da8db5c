"""The connections that an adapter holds, and who is next.

An adapter holds a handful at a time. Who is bonded is a medical device that somebody chose to trust, often awake for
seconds; it goes before what merely advertises. Among equals it is first come, first served.
"""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator
from itertools import count


class Slots:
    """`async with slots.taken(precedence)`: the lowest number first."""

    def __init__(self, connections: int) -> None:
        self._free = connections
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ticket = count()
        self.in_use = 0

    @contextlib.asynccontextmanager
    async def taken(self, precedence: int) -> AsyncIterator[None]:
        """Hold one connection; waits until it is this one's turn."""
        await self._turn(precedence)
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1
            self._give_on()

    async def _turn(self, precedence: int) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (precedence, next(self._ticket), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given the slot in the instant it gave up
                self._give_on()
            raise

    def _give_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
