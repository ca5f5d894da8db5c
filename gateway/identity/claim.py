"""`hjemvakt gateway claim CODE`: this hub becomes one of the server's gateways.

The key is made here and stays here. Whoever answers at the server's address is believed only if it shows the
authority that the code names; until then nothing of the code is said.

*A hub is somebody's.* What waits in its spool was measured in the home it stood in. It may be sent on under the same
name, to the same authority. Otherwise, or where the hub was nobody, it is thrown away, and only after a person has said
how many readings that are. The spool is emptied before the new identity is taken up, so that no crash joins the two.
"""

import asyncio
import contextlib
import http.client
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from gateway.config.model import Config
from gateway.identity.draft import draft
from gateway.identity.held import Held, held, needed
from gateway.spool.schema import wipe
from gateway.spool.store import SPOOL_FILE, Spool
from vitals.errors import ConfigError, LinkError, WireError
from vitals.identity import MOST_BYTES, Claim, Code, Identity, decode, encode, mark, read_code, readings

T = TypeVar("T")

REPLY_S = 20.0
_TRIES = 3
_ASK_FOR = "ask the municipality"


class _Where(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}" if self.port == http.client.HTTPS_PORT else f"https://{host}:{self.port}"


class _Lost(LinkError):
    """The connection broke: whether the server has answered is not known, and asking again is safe."""


def claim(config: Config, typed: str, *, discard: int | None, sure: Callable[[str], bool]) -> str:
    """Become a gateway; what to tell the person. Raises ConfigError, WireError, StoreError, LinkError.

    `discard`: how many waiting readings may be thrown away. `sure`: asks a person.
    """
    tls = config.uplink.tls
    if tls is None or not needed(tls):
        raise ConfigError("this hub comes in by password", "set tls = {} under [uplink], without a ca")
    code, data = read_code(typed), Path(config.data)
    before = held(data)
    stays = before is not None and before.name == config.name and _mark_of(before) == code.mark
    waiting = asyncio.run(_waiting(data))
    going_on = _allowed(before, stays, waiting, discard)
    if before is not None and not sure(f"this hub is {before.name} until {before.ends:%Y-%m-%d}; claim it anew?"):
        raise ConfigError("nothing was changed", "say --yes to claim it anew")
    where = _Where(config.uplink.host, tls.claim_port)
    context = _trusting(where, code)
    made = draft(data, go_on=True)  # with the same key a code that was redeemed just before a power cut is good again
    said = Claim(code.secret, config.name, made.request(), going_on)
    given = _patiently(lambda: _claimed(where, context, said))
    if not stays or discard is not None:
        wipe(data / SPOOL_FILE)
    now = made.claimed(given)
    return _told(config, given, now, going_on)


async def _waiting(data: Path) -> int:
    """How many rows wait; raises StoreError while the gateway runs."""
    spool = await Spool.open(data / SPOOL_FILE)
    await spool.close()
    return spool.status.queued


def _allowed(before: Held | None, stays: bool, waiting: int, discard: int | None) -> int:
    """How many of the waiting readings are to be sent on; raises ConfigError where a person must decide first."""
    if discard is not None and discard != waiting:
        text = f"this hub holds {readings(waiting)}, not {discard}"
        raise ConfigError(text, "look again: something was measured meanwhile")
    if stays or not waiting:
        return 0 if discard is not None else waiting
    if discard is None:
        whose = f", measured as {before.name} before" if before else ", and nobody knows as which gateway"
        mend = f"let it send them first, as it was, or throw them away with --discard {waiting}"
        raise ConfigError(f"this hub holds {readings(waiting)}{whose}", mend)
    return 0


def _mark_of(before: Held) -> str:
    """Of the authority that it has its identity from: two municipalities may have a hub of the same name."""
    return mark(ssl.PEM_cert_to_DER_cert(before.file("authority.pem").decode()))


def _trusting(where: _Where, code: Code) -> ssl.SSLContext:
    """What believes the server that the code is from, and no other; raises LinkError."""
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE  # what it says is held against the code
    pem = _patiently(lambda: _asked(where, blind, "GET", "/api/authority"))
    try:
        shown = mark(ssl.PEM_cert_to_DER_cert(pem.decode()))
    except ValueError as error:
        raise LinkError(f"{where} is no Hjemvakt server ({error})", "see [uplink] host and tls.claim_port") from error
    if shown != code.mark:
        text = f"{where} is another server than the code is from"
        raise LinkError(text, f"see [uplink] host; if it is right, do not go on, and {_ASK_FOR}")
    context = ssl.create_default_context()  # a reverse proxy has a certificate that the world knows
    context.load_verify_locations(cadata=pem.decode())
    return context


def _claimed(where: _Where, context: ssl.SSLContext, said: Claim) -> Identity:
    answer = _asked(where, context, "POST", "/api/claim", encode(said))
    try:
        return decode(answer, Identity)
    except WireError as error:
        raise LinkError(f"{where} gave an answer that does not parse", _ASK_FOR) from error


def _patiently(ask: Callable[[], T]) -> T:
    for _ in range(_TRIES - 1):
        with contextlib.suppress(_Lost):
            return ask()
    return ask()


def _asked(where: _Where, context: ssl.SSLContext, method: str, path: str, body: bytes | None = None) -> bytes:
    """The body of a good answer; raises LinkError with the server's own words for another."""
    connection = http.client.HTTPSConnection(where.host, where.port, context=context, timeout=REPLY_S)
    try:
        connection.request(method, path, body, {"Origin": str(where)})
        answer = connection.getresponse()
        told = answer.read(MOST_BYTES)
    except ssl.SSLCertVerificationError as error:
        text = f"{where} does not prove that it is {where.host} ({error.verify_message})"
        raise LinkError(text, "the server's [broker.tls] names must have that name") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Lost(f"{where} is not reached ({error or type(error).__name__})", "see [uplink] host") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise LinkError(*_words(where, answer.status, told))
    return told


def _words(where: _Where, status: int, told: bytes) -> tuple[str, str]:
    """What the server said, and the mend in it."""
    try:
        text, _, mend = msgspec.json.decode(told, type=dict[str, str])["detail"].partition(": ")
    except (msgspec.DecodeError, KeyError):
        return f"{where} answered {status}", "is it a Hjemvakt server?"
    return text, mend


def _told(config: Config, given: Identity, now: Held, sent_on: int) -> str:
    """What a person wants to know now."""
    lines = [f"this hub is {now.name} until {now.ends:%Y-%m-%d}, and renews that by itself; start the gateway"]
    if sent_on:
        lines.append(f"{readings(sent_on)} from before will be sent")
    if (given.host, given.port) != (config.uplink.host, config.uplink.port):
        said = f"the server calls its broker {given.host}:{given.port}"
        lines.append(
            f"{said}; gateway.toml has {config.uplink.host}:{config.uplink.port} under [uplink]: see which is right"
        )
    return "\n".join(lines)
