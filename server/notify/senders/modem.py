"""Text messages through a GSM modem of one's own: no provider, no internet, and replies come back the same way.

The modem is spoken to in text mode with the character set UCS2, in which whatever a telephone can write has a form.
It is opened when it is first needed and after anything went wrong, so one that is pulled out and put back is found
again.

A part that the network has taken has a number (`+CMGS`), and the network reports on it (`+CDS`). The receipt's
reference is those numbers; they begin anew after 255, so a report is for the newest message to that telephone with
that number.

A message that has come stays in the modem until `listen`'s caller says that it is stored; only then is it deleted, so
that a crash in between leaves it there to be read again.
"""

import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import serial  # type: ignore[import-untyped]

from server.notify.config import Modem as Config
from server.notify.config import secret
from server.notify.sender import Message, Receipt, SendError
from server.notify.senders.at import ModemError, Silent, Talk
from server.notify.senders.gsm import from_hex, parts, to_hex
from server.notify.words import whole
from vitals.errors import LinkError

NO_SUCH_NUMBER = frozenset({1, 8, 10, 21, 28, 30, 304, 305})
"""+CMS ERROR (TS 24.011, 27.005): unassigned, barred, rejected, unknown; a number that cannot be one."""
READ_S = 0.1
_VALIDITY = 167
"""24 hours: later, an alarm is no news (TS 23.040)."""
_ASKS_FOR_REPORT = 49


class Heard(NamedTuple):
    """A message that has come. `id` names it: the same message read twice has the same."""

    id: str
    sender: str
    text: str


class Report(NamedTuple):
    """What became of a part. `delivered` None: not known yet, the network goes on trying."""

    reference: str
    to: str
    delivered: bool | None


class Modem:
    """One modem. Thread-safe: one sends or reads while the others wait. The PIN is read when it is made."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pin = secret(config.pin_file)
        self._refused_pin = False
        self._port: serial.Serial | None = None
        self._talk: Talk | None = None
        self._lock = threading.Lock()

    def send(self, message: Message) -> Receipt:
        number = message.address.replace(" ", "")
        if not (number.isascii() and number.removeprefix("+").isdecimal()):
            raise SendError("that is no telephone number", "correct it", for_good=True)
        texts, ucs2 = parts(whole(message), self._config.parts_most)
        with self._lock, self._mended() as talk:
            talk.ask(f"AT+CSMP={_ASKS_FOR_REPORT},{_VALIDITY},0,{8 if ucs2 else 0}")
            return Receipt(",".join(self._part(talk, number, text) for text in texts))

    def listen(self, take: Callable[[list[Heard], list[Report]], None]) -> None:
        """Hand over what has come, and delete it from the modem once `take` has returned; raises LinkError."""
        with self._lock, self._talking() as talk:
            listed = list(_listed(talk.ask('AT+CMGL="' + to_hex("ALL") + '"', 20.0)))
            reports = [one for line in talk.listen() if (one := _report(line))]
            if not listed and not reports:
                return
            take([heard for _, heard in listed], reports)
            for place, _ in listed:
                talk.ask(f"AT+CMGD={place}")

    def close(self) -> None:
        with self._lock:
            self._hang_up()

    def _part(self, talk: Talk, number: str, text: str) -> str:
        try:
            lines = talk.tell(f'AT+CMGS="{to_hex(number)}"', to_hex(text), self._config.timeout_s)
        except ModemError as error:
            if error.number in NO_SUCH_NUMBER:
                raise SendError("the network refuses that number", "correct it", for_good=True) from error
            raise
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("+CMGS:")), "")

    def _mended(self) -> "_Talking":
        return _Talking(self, SendError)

    def _talking(self) -> "_Talking":
        return _Talking(self, LinkError)

    def _open(self) -> Talk:
        if self._talk is not None:
            return self._talk
        if self._refused_pin:
            raise LinkError("the SIM has refused its PIN", "correct pin_file, then start the server again")
        self._port = serial.Serial(
            self._config.port, self._config.baud, timeout=READ_S, write_timeout=5.0, exclusive=True
        )
        talk = Talk(self._port)
        self._greet(talk)
        self._talk = talk
        return talk

    def _greet(self, talk: Talk) -> None:
        talk.listen()
        talk.ask("ATE0")
        talk.ask("AT+CMEE=1")
        self._unlock(talk)
        talk.ask("AT+CMGF=1")
        talk.ask('AT+CSCS="UCS2"')
        talk.ask("AT+CNMI=2,1,0,1,0")

    def _unlock(self, talk: Talk) -> None:
        state = " ".join(talk.ask("AT+CPIN?", 10.0))
        if "READY" in state:
            return
        if "SIM PIN" not in state or not self._pin:
            raise LinkError(f"the SIM is locked ({state.removeprefix('+CPIN: ')})", "name its PIN in pin_file")
        try:
            talk.ask(f"AT+CPIN={self._pin}", 20.0)
        except ModemError as error:
            self._refused_pin = True
            raise LinkError("the SIM refuses its PIN", "correct pin_file, then start the server again") from error

    def _hang_up(self) -> None:
        if self._port is not None:
            self._port.close()
        self._port = self._talk = None


class _Talking:
    """A conversation that is begun anew after anything went wrong in it; errors come out as `kind`."""

    def __init__(self, modem: Modem, kind: type[SendError] | type[LinkError]) -> None:
        self._modem = modem
        self._kind = kind

    def __enter__(self) -> Talk:
        try:
            return self._modem._open()
        except (OSError, LinkError) as error:
            self._modem._hang_up()
            raise self._said(error) from error

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Silent | OSError) or (error is not None and not isinstance(error, Exception)):
            self._modem._hang_up()
        if isinstance(error, OSError | LinkError):
            raise self._said(error) from error

    def _said(self, error: OSError | LinkError) -> SendError | LinkError:
        if isinstance(error, LinkError):
            return self._kind(error.text, error.mend)
        return self._kind(f"the modem's port cannot be used ({type(error).__name__})", "see its cable and its rights")


def _listed(lines: list[str]) -> Iterator[tuple[int, Heard]]:
    """`+CMGL: place,"state","sender",,"moment"` and the text on the lines after it."""
    head: list[str] | None = None
    text: list[str] = []
    for line in [*lines, "+CMGL: "]:
        if not line.startswith("+CMGL:"):
            text.append(line)
            continue
        if head is not None and len(head) > 2 and head[0].isdecimal():
            sender, moment = from_hex(head[2]), head[4] if len(head) > 4 else ""
            said = from_hex("".join(text))
            yield int(head[0]), Heard(f"{sender} {moment} {said}", sender, said)
        head, text = _fields(line), []


def _report(line: str) -> Report | None:
    """`+CDS: fo,mr,"to",type,"sent","done",status`: 0 to 31 delivered, 32 to 63 still trying, from 64 given up."""
    if not line.startswith("+CDS:"):
        return None
    fields = _fields(line)
    if len(fields) < 4 or not fields[1].isdecimal() or not fields[-1].isdecimal():
        return None
    status = int(fields[-1])
    return Report(fields[1], from_hex(fields[2]), True if status < 32 else None if status < 64 else False)


def _fields(line: str) -> list[str]:
    """The values of an answer; a comma in quotes is no separator."""
    fields, quoted = [""], False
    for letter in line.partition(":")[2].strip():
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            fields.append("")
        else:
            fields[-1] += letter
    return fields
