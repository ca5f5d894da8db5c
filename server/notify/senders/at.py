"""A conversation with a modem in AT commands (3GPP TS 27.007, 27.005): a line goes out, lines come back, OK ends them.

The modem may speak at any moment of its own accord (a message has come, a report on one), also in the middle of an
answer. Such lines are known by their first word and kept aside in `unasked` until somebody asks for them.
"""

import time
from collections import deque
from typing import Protocol

from vitals.errors import LinkError

UNASKED = ("+CMTI:", "+CDS:", "+CDSI:", "RING", "+CREG:", "+CUSD:")
_MOST_LINES = 1_000
CTRL_Z, ESCAPE = b"\x1a", b"\x1b"


class Port(Protocol):
    """What a serial port is to this conversation; reads end after a short while with whatever there is."""

    @property
    def in_waiting(self) -> int: ...
    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> int | None: ...


class ModemError(LinkError):
    """The modem said no. `number`: of a +CMS ERROR or +CME ERROR; None for a plain ERROR."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"the modem answers {command.partition('=')[0]} with {said}", "see the modem's manual")
        digits = said.rpartition(":")[2].strip()
        self.number = int(digits) if digits.isdecimal() else None


class Silent(LinkError):
    """The modem says nothing."""


class Talk:
    """One conversation, on one port, by one thread at a time."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._heard = b""
        self.unasked: deque[str] = deque(maxlen=_MOST_LINES)

    def ask(self, command: str, timeout_s: float = 5.0) -> list[str]:
        """Say it and return the lines before OK; raises ModemError, or Silent."""
        self._port.write(f"{command}\r".encode("ascii"))
        return self._answer(command, timeout_s)

    def tell(self, command: str, text: str, timeout_s: float) -> list[str]:
        """Say it, wait for the prompt, give the text; as `ask`. What was begun and got no prompt is taken back."""
        self._port.write(f"{command}\r".encode("ascii"))
        try:
            self._prompt(command, 10.0)
        except Silent:
            self._port.write(ESCAPE)
            raise
        self._port.write(text.encode("ascii") + CTRL_Z)
        return self._answer(command, timeout_s)

    def listen(self) -> list[str]:
        """What the modem has said of its own accord by now."""
        while (line := self._line(time.monotonic())) is not None:
            if line.startswith(UNASKED):
                self.unasked.append(line)
        heard = list(self.unasked)
        self.unasked.clear()
        return heard

    def _answer(self, command: str, timeout_s: float) -> list[str]:
        lines: list[str] = []
        until_s = time.monotonic() + timeout_s
        while (line := self._line(until_s)) is not None:
            if line == "OK":
                return lines
            if line == "ERROR" or line.startswith(("+CMS ERROR", "+CME ERROR")):
                raise ModemError(command, line)
            if line.startswith(UNASKED) and not command.startswith(f"AT{line.partition(':')[0]}"):
                self.unasked.append(line)
            elif line != command:  # an echo
                lines.append(line)
        raise Silent(f"the modem does not answer {command.partition('=')[0]}", "see its power, its cable and its port")

    def _prompt(self, command: str, timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while not self._heard.lstrip(b"\r\n").startswith(b">"):
            if b"\n" in self._heard.lstrip(b"\r\n"):
                line = self._line(until_s)
                if line and (line == "ERROR" or line.startswith(("+CMS ERROR", "+CME ERROR"))):
                    raise ModemError(command, line)
                if line and line.startswith(UNASKED):
                    self.unasked.append(line)
                continue
            if not self._more(until_s):
                raise Silent("the modem gives no prompt for the text", "see its power, its cable and its port")
        self._heard = self._heard.lstrip(b"\r\n")[1:].lstrip(b" ")

    def _line(self, until_s: float) -> str | None:
        """The next line that is not empty; None where none is whole by then."""
        while True:
            line, end, rest = self._heard.partition(b"\n")
            if end:
                self._heard = rest
                if text := line.strip().decode("ascii", "replace"):
                    return text
            elif not self._more(until_s):
                return None

    def _more(self, until_s: float) -> bool:
        """Read on; False when the time is over and nothing was there."""
        while True:
            piece = self._port.read(1)
            if piece:
                self._heard += piece + self._port.read(self._port.in_waiting)
                return True
            if time.monotonic() >= until_s:
                return False
