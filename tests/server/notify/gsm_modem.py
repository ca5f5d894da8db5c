"""A GSM modem on a pseudo-terminal, written from TS 27.005 and 27.007 and not from the code that speaks to it.

It knows text mode with the character set UCS2, gives message references, reports on delivery, keeps what has come
until it is deleted, and can be told to fail: with an error, with silence, by being pulled out.
"""

import os
import re
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Sent(NamedTuple):
    """What has left: decoded as a telephone would show it. `dcs` 0: GSM's alphabet, 8: UCS-2."""

    to: str
    text: str
    dcs: int
    reference: int


def encoded(text: str) -> str:
    return "".join(f"{ord(letter):04X}" for letter in text)


def decoded(digits: str) -> str:
    return "".join(chr(int(digits[n : n + 4], 16)) for n in range(0, len(digits), 4))


@dataclass
class GsmModem:
    """`path`: where to open it. `errors`: what the next sendings answer instead (`None`: nothing at all)."""

    path: str = ""
    pin: str = ""
    chatty: bool = False
    """It says things of its own accord in the middle of answers."""
    sent: list[Sent] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    memory: dict[int, str] = field(default_factory=dict)
    """Place -> the lines of +CMGL after its first word."""
    locked: bool = False
    wrong_pins: int = 0
    next_reference: int = 250
    _master: int = -1
    _charset: str = "GSM"
    _text_mode: bool = False
    _dcs: int = 0
    _fo: int = 17
    _echo: bool = True
    _to: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, sender: str, text: str, moment: str = "26/11/21,08:00:00+04") -> int:
        """Somebody writes; returns its place."""
        with self._lock:
            place = max(self.memory, default=0) + 1
            self.memory[place] = f'"REC UNREAD","{encoded(sender)}",,"{moment}"\r\n{encoded(text)}'
        self._say(f'+CMTI: "SM",{place}')
        return place

    def report(self, sent: Sent, status: int = 0) -> None:
        """The network says what became of it."""
        moment = "26/11/21,08:00:05+04"
        self._say(f'+CDS: 6,{sent.reference},"{encoded(sent.to)}",145,"{moment}","{moment}",{status}')

    def _say(self, line: str) -> None:
        os.write(self._master, f"\r\n{line}\r\n".encode())

    def _hear(self, line: str) -> None:
        self.commands.append(line)
        if self._echo:
            os.write(self._master, f"{line}\r\n".encode())
        if self.chatty:
            self._say("+CREG: 1")
        self._answer(line)

    def _answer(self, line: str) -> None:
        if line == "ATE0":
            self._echo = False
        elif line == "AT+CPIN?":
            self._say("+CPIN: SIM PIN" if self.locked else "+CPIN: READY")
        elif line.startswith("AT+CPIN="):
            if line.removeprefix("AT+CPIN=") != self.pin:
                self.wrong_pins += 1
                return self._say("+CME ERROR: 16")
            self.locked = False
        elif line == "AT+CMGF=1":
            self._text_mode = True
        elif line == 'AT+CSCS="UCS2"':
            self._charset = "UCS2"
        elif found := re.fullmatch(r"AT\+CSMP=(\d+),(\d+),(\d+),(\d+)", line):
            self._fo, self._dcs = int(found[1]), int(found[4])
        elif found := re.fullmatch(r'AT\+CMGS="([0-9A-F]*)"', line):
            if self.locked or not self._text_mode or self._charset != "UCS2":
                return self._say("+CMS ERROR: 304")
            self._to = decoded(found[1])
            os.write(self._master, b"\r\n> ")
            return None
        elif line == f'AT+CMGL="{encoded("ALL")}"':
            with self._lock:
                for place, kept in self.memory.items():
                    self._say(f"+CMGL: {place},{kept}")
        elif found := re.fullmatch(r"AT\+CMGD=(\d+)", line):
            with self._lock:
                self.memory.pop(int(found[1]), None)
        elif line not in ("AT", "AT+CMEE=1", "AT+CNMI=2,1,0,1,0"):
            return self._say("ERROR")
        return self._say("OK")

    def _take(self, digits: str) -> None:
        to, self._to = self._to or "", None
        if self.errors:
            error = self.errors.pop(0)
            if error is not None:
                self._say(error)
            return
        sent = Sent(to, decoded(digits), self._dcs, self.next_reference % 256)
        assert len(sent.text) <= (70 if self._dcs == 8 else 160), "it does not fit into one message"
        self.next_reference += 1
        self.sent.append(sent)
        self._say(f"+CMGS: {sent.reference}")
        self._say("OK")

    def _run(self, stopped: int) -> None:
        heard = b""
        while True:
            ready, _, _ = select.select([self._master, stopped], [], [])
            if stopped in ready:
                return
            heard += os.read(self._master, 4096)
            while True:
                if self._to is not None:
                    if b"\x1b" in heard:
                        heard, self._to = heard.partition(b"\x1b")[2], None
                        self._say("OK")
                        continue
                    text, end, rest = heard.partition(b"\x1a")
                    if not end:
                        break
                    heard = rest
                    self._take(text.decode())
                    continue
                line, end, rest = heard.partition(b"\r")
                if not end:
                    break
                heard = rest
                if line.strip():
                    self._hear(line.strip().decode())


@contextmanager
def gsm_modem(**how: object) -> Iterator[GsmModem]:
    """One that is plugged in, for as long as this lasts."""
    master, slave = os.openpty()
    tty.setraw(slave)
    stop, stopped = os.pipe()
    modem = GsmModem(path=os.ttyname(slave), _master=master, **how)  # type: ignore[arg-type]
    thread = threading.Thread(target=modem._run, args=(stop,))
    thread.start()
    try:
        yield modem
    finally:
        os.write(stopped, b".")
        thread.join()
        for handle in (master, slave, stop, stopped):
            os.close(handle)
