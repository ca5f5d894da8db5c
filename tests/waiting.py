"""Waiting for what cannot tell by itself that it has happened, such as another program."""

import threading
from collections.abc import Callable

STEP_S = 0.01


def until(holds: Callable[[], object], timeout_s: float = 30) -> None:
    """Ask again and again until it holds; fails where that takes longer."""
    pause = threading.Event()
    for _ in range(round(timeout_s / STEP_S)):
        if holds():
            return
        pause.wait(STEP_S)
    raise AssertionError(f"it did not come to that within {timeout_s} s")
