"""How long to wait before trying again: full jitter.

After the n-th failure in a row the wait is drawn evenly from 0 to `first_s * 2**n`, held at `most_s`. A thousand
gateways whose broker restarted then come back spread out, not in step (the draw, not the doubling, does that).
"""

import random


class Backoff:
    """Waits for one thing that fails; `most_s` bounds the wait. Seconds of the wall."""

    def __init__(self, most_s: float, first_s: float = 1.0) -> None:
        self._most_s = most_s
        self._first_s = min(first_s, most_s)
        self._failures = 0

    def next_s(self) -> float:
        """The next wait, after one more failure."""
        ceiling_s = min(self._most_s, self._first_s * 2 ** min(self._failures, 30))
        self._failures += 1
        return random.uniform(0, ceiling_s)

    def reset(self) -> None:
        """It works again: the next failure is the first one."""
        self._failures = 0
