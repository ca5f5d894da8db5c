"""How long to wait before trying again: full jitter.

After the n-th failure in a row the wait is drawn evenly from 0 to `first_s * 2**n`, held at `most_s`. A thousand
gateways whose broker restarted then come back spread out, not in step (the draw, not the doubling, does that).

A broker that hangs up on one hangs up on all, and is back before they have doubled anything: then the draws are from
0 to as many seconds as so many need, from the first wait on, until it works again. A line that falls silent is one
home's trouble, and that home tries again at once.
"""

import random


class Backoff:
    """Waits for one thing that fails; `most_s` bounds the wait. Seconds of the wall."""

    def __init__(self, most_s: float, first_s: float = 1.0) -> None:
        self._most_s = most_s
        self._first_s = min(first_s, most_s)
        self._spread_s = 0.0
        self._failures = 0

    def hung_up(self, spread_s: float) -> None:
        """It has ended for everybody at once, and they are to come back spread over `spread_s`."""
        self._spread_s = spread_s

    def next_s(self) -> float:
        """The next wait, after one more failure."""
        ceiling_s = min(self._most_s, max(self._spread_s, self._first_s * 2 ** min(self._failures, 30)))
        self._failures += 1
        return random.uniform(0, ceiling_s)

    def reset(self) -> None:
        """It works again: the next failure is the first one."""
        self._spread_s = 0.0
        self._failures = 0
