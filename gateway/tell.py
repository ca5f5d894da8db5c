"""How a home is told: a voice, and a page.

*The voice* is any command that speaks (`tell = ["espeak-ng", "-v", "nb"]`). It gets the sentence as its last argument,
without a shell between, and so long as it takes to say it, at most SPEAK_S; two sentences are not said at once.

*The page* is for a screen in the home, or its own network. It shows how the readings fare and what to do, large, and
asks for itself again every few seconds. There is no password: whoever can open it can read what the patient was told
and say that it was seen. So it answers only to an address or a name of the house: a page elsewhere cannot have it read
by the patient's browser under a name of its own, and cannot press its button without the word that only the page knows.
"""

import asyncio
import contextlib
import hmac
import html
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import parse_qs

from gateway import words
from gateway.door import Asked, response, serve
from gateway.local import View
from vitals.alarm import Level

SPEAK_S = 60.0
REFRESH_S = 5
MOST_LETTERS = 1_000

_COLOUR = {Level.HIGH: "#b3131b", Level.MEDIUM: "#e8b400", Level.UNKNOWN: "#5a6470"}
_CALM = "#1e6b3a"

log = logging.getLogger(__name__)


class Teller(Protocol):
    """Anything that can say a sentence to the home."""

    async def tell(self, sentence: str) -> None:
        """Say it; returns when it was said. Never raises: what cannot be said is in the log."""


class Voice:
    """A command that speaks."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._speaking = asyncio.Lock()

    async def tell(self, sentence: str) -> None:
        async with self._speaking:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command, speakable(sentence), stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
            except OSError as error:
                log.error("the home cannot be spoken to: %s (%s): see [local] tell", self._command[0], error)
                return
            try:
                async with asyncio.timeout(SPEAK_S):
                    code = await process.wait()
                if code:
                    log.error("%s ended with %d: was the home told?", self._command[0], code)
            except TimeoutError:
                log.error("%s did not come to its end in %.0f s and was stopped", self._command[0], SPEAK_S)
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()


def speakable(sentence: str) -> str:
    """The sentence as an argument: no control characters, not too long, and never taken for an option."""
    plain = "".join(letter if letter.isprintable() else " " for letter in sentence)[:MOST_LETTERS].strip()
    return f" {plain}" if plain.startswith("-") else plain


class Page:
    """The home's page. `view` is asked each time; `seen` when the button is pressed."""

    def __init__(self, language: words.Language, view: Callable[[], View], seen: Callable[[], Awaitable[None]]) -> None:
        self._language = language
        self._view = view
        self._seen = seen
        self._word = secrets.token_hex(16)

    async def serve(self, at: tuple[str, int]) -> None:
        """For ever."""
        await serve(at, "the home's page", self.answer)

    async def answer(self, asked: Asked) -> bytes:
        """What a browser gets."""
        if not of_the_house(asked.headers.get("host", "")):
            return response("403 Forbidden", b"ask for this page by the hub's address\n")
        match asked.method, asked.path:
            case "GET", "/":
                return response("200 OK", self._shown().encode(), *_HEADERS)
            case "POST", "/seen":
                word = parse_qs(asked.body.decode("latin-1")).get("word", [""])[0]
                if not hmac.compare_digest(word.encode(), self._word.encode()):
                    return response("403 Forbidden", b"open the page anew\n")
                await self._seen()
                return response("303 See Other", b"", "Location: /")
            case _:
                return response("404 Not Found", b"there is /\n")

    def _shown(self) -> str:
        view, language = self._view(), self._language
        colour = _COLOUR.get(view.level, _CALM) if view.away else _CALM
        zone = words.ZONE[language].get(view.level, "") if view.away else ""
        said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in view.sentences)
        button = (
            f'<form method="post" action="/seen"><input type="hidden" name="word" value="{self._word}">'
            f"<button>{html.escape(words.SEEN[language])}</button></form>"
            if view.to_be_seen
            else ""
        )
        return _PAGE.format(
            language=language, title=words.TITLE[language], refresh=REFRESH_S, colour=colour,
            zone=f"<h1>{zone}</h1>" if zone else "", said=said, button=button,
        )  # fmt: skip


def of_the_house(host: str) -> bool:
    """Whether a browser asked by an address, or by a name that no stranger can own."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    name = name.strip("[]").lower()
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return name == "localhost" or name.endswith(".local")


_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: no-store",
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
)
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="{refresh}">
<style>
body {{ margin: 0; padding: 2rem; border-top: 2rem solid {colour}; font: 2rem/1.4 sans-serif }}
body {{ color: #111; background: #fff }}
h1 {{ margin: 0; padding-left: 1.5rem; border-left: 1.5rem solid {colour}; font-size: 4rem }} p {{ max-width: 34em }}
button {{ font: inherit; padding: 1rem 2rem; border: 3px solid #111; border-radius: .5rem; background: #fff }}
</style></head><body><main role="main" aria-live="assertive">{zone}{said}{button}</main></body></html>
"""
