"""Ending tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any

_ASK_AGAIN_S = 10.0


async def ended(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel them until they have ended: a library below may have swallowed a cancellation, so it is asked again."""
    tasks = list(tasks)
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
