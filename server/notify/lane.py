"""The lane of one way out: several of its messages are on their way at once, and no other way waits for them.

A provider that answers after 25 ms carries 40 messages a second if each waits for the one before. So a thread carries
each message, as many at once as the way bears; the one thread of the lane's engine claims them, so they set out worst
first, then oldest, and none is overtaken by more than those that are on their way beside it. Two about the same alarm
to the same person never are at once: the second waits until it is known what became of the first.

What is on its way is known in memory alone. After a kill nothing is, and each message that was goes again when its next
attempt is due, with its own key.
"""

import threading
import time
from collections.abc import Callable

from server.notify.delivery import BATCH, Claimed, Post
from vitals.clock import Clock
from vitals.errors import LinkError

STUCK_S = 120.0
"""No try takes so long; one that does has taken a place in the lane for good."""


class Lane:
    """Sends by `channel`, so many messages `together`. `told` hears whose alarm each was about, from any thread."""

    def __init__(
        self, channel: str, together: int, post: Post, clock: Clock, told: Callable[[str], None],
        stuck_s: float = STUCK_S,
    ) -> None:  # fmt: skip
        self.channel = channel
        self._together = together
        self._post = post
        self._clock = clock
        self._told = told
        self._stuck_s = stuck_s
        self._places = threading.Semaphore(together)
        self._lock = threading.Lock()
        self._aloft: dict[Claimed, float] = {}
        """What is on its way, and when it set out (monotonic seconds)."""
        self._failure: Exception | None = None

    def turn(self) -> tuple[()]:
        """Send what is due, until nothing is or it was a great deal; the last may still be on their way then.

        One thread's. Raises what went wrong in writing down what became of a message (it goes again), and LinkError
        for one that never comes to an end.
        """
        for _ in range(BATCH * self._together):
            if not self._set_out():
                break
        self._complain()
        return ()

    def rest(self, timeout_s: float) -> bool:
        """Wait for what is on its way, once no turn is taken any more; False where that takes longer."""
        until_s = time.monotonic() + timeout_s
        free = 0
        while free < self._together and self._places.acquire(timeout=max(0.0, until_s - time.monotonic())):
            free += 1
        if free:
            self._places.release(free)
        return free == self._together

    def _set_out(self) -> bool:
        """Claim the next message once there is a place for it, and let it go; False where none is due."""
        self._places.acquire()
        claimed = None
        try:
            with self._lock:
                aloft = [one.about for one in self._aloft]
            now_ns = self._clock.now_ns()
            claimed = self._post.claim(now_ns, only=self.channel, aloft=aloft)
            if claimed is not None:
                with self._lock:
                    self._aloft[claimed] = time.monotonic()
                name = f"post-{self.channel}-carrying"
                threading.Thread(target=self._carry, args=(claimed, now_ns), name=name, daemon=True).start()
                return True
        except BaseException:
            self._land(claimed)
            raise
        self._land(None)
        return False

    def _carry(self, claimed: Claimed, now_ns: int) -> None:
        try:
            self._post.carry(claimed, now_ns)
            if claimed.patient_id:
                self._told(claimed.patient_id)
        except Exception as error:  # noqa: BLE001 - the lane's own thread tells it
            self._failure = error
        finally:
            self._land(claimed)

    def _land(self, claimed: Claimed | None) -> None:
        """Its place is free."""
        with self._lock:
            if claimed is not None:
                self._aloft.pop(claimed, None)
        self._places.release()

    def _complain(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        with self._lock:
            longest_s = time.monotonic() - min(self._aloft.values(), default=time.monotonic())
        if longest_s > self._stuck_s:
            raise LinkError(
                f"a message has been on its way by {self.channel} for {longest_s:.0f} s",
                "see to the provider; a start of the server sends it again",
            )
