"""Somebody else notices when the engine falls silent: while it turns, and only then, the world is told so.

Two listeners, both outside this process. A monitor elsewhere (`[notify.heartbeat]`) is asked for an address each
minute and misses us when we do not; systemd, where it started us with a watchdog, is told on its socket and starts us
anew. Neither is told by the engine itself: a thread that looks at the engine's watch does it, so one that is stuck in
a tick beats no more.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

from server.notify.config import Heartbeat
from server.notify.sender import SendError
from server.notify.senders.http import ask, refused

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""How often the engines are looked at; systemd is told each time."""


class Heart:
    """Beats while `turning` says that the engines turn, and for the world only while alarms get out too (`calls`).

    systemd starts us anew, which mends an engine that is stuck and not a database that is away. `environment`: where
    it says how it is told.
    """

    def __init__(
        self,
        config: Heartbeat | None,
        turning: Callable[[], bool],
        calls: Callable[[], bool],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._turning = turning
        self._calls = calls
        self._socket = environment.get("NOTIFY_SOCKET", "")
        self._told_s = -1e9
        self._failing = False

    def beat(self, _now_ns: int) -> None:
        """One turn: look, and tell whoever is due to be told."""
        if not self._turning():
            return
        self.tell("WATCHDOG=1")
        if self._config is None or not self._calls() or time.monotonic() - self._told_s < self._config.every_s:
            return
        try:
            answer = ask("GET", self._config.url, self._config.timeout_s)
            if answer.status >= 400:
                raise refused(answer.status, again=True)
        except SendError as error:
            if not self._failing:
                log.warning("nobody hears that this server lives: %s; trying again", error.text)
            self._failing = True
            return
        self._told_s, self._failing = time.monotonic(), False

    def problem(self) -> str | None:
        """What is wrong now, or None: no name, no address."""
        return "the heartbeat is not heard" if self._failing else None

    def tell(self, what: str) -> None:
        """Tell systemd (sd_notify): READY=1, WATCHDOG=1, STOPPING=1. Without it there is nobody to tell."""
        if not self._socket:
            return
        address = f"\0{self._socket[1:]}" if self._socket.startswith("@") else self._socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
                speaking.connect(address)
                speaking.sendall(what.encode())
        except OSError as error:
            log.warning("systemd cannot be told %s (%s)", what, error.strerror)
