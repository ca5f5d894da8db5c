"""The home's page, for a screen in the home or its own network: how the readings fare, what to do, and one question.

It is large, has no picture and works with a finger or with keys. A few lines of script fetch it anew every few seconds
and put in place only what has changed, so that nobody loses the place of the focus or a half-written number, a screen
reader says what is new, and a hub that has died does not go on looking calm; without scripts the whole page reloads.

There is no password: whoever can open it can read what the patient was told, say that it was seen, and answer. So it
answers only to an address or a name of the house: a page elsewhere cannot have it read by the patient's browser under a
name of its own, and cannot press its buttons without the word that only the page knows. No script runs but these lines.

An answer is on disk before anybody is thanked. After each act the browser is sent back to the page, so that reloading
repeats nothing; what was wrong with an answer stands there until it is mended.
"""

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from html import escape
from typing import Protocol
from urllib.parse import parse_qs

from gateway.door import Asked, response, serve
from gateway.home import words
from gateway.home.asking import Ready
from gateway.home.local import View
from gateway.home.sheet import Sheet
from vitals.alarm import Level
from vitals.channels import CHANNELS

REFRESH_S = 5
_SLOW_REFRESH_S = 60
"""Without scripts, while somebody may be writing a number."""

_COLOUR = {Level.HIGH: "#b3131b", Level.MEDIUM: "#e8b400", Level.UNKNOWN: "#5a6470"}
_CALM = "#1e6b3a"


class Household(Protocol):
    """What is asked in the home, see `gateway.home.sheet.Home`."""

    def sheet(self) -> Sheet: ...
    async def answer(self, ask: str, text: str) -> object: ...
    def later(self, ask: str) -> None: ...


class Page:
    """`view` and `home` are asked each time; `seen` when the button is pressed that says so."""

    def __init__(
        self, language: words.Language, view: Callable[[], View], seen: Callable[[], Awaitable[None]], home: Household
    ) -> None:
        self._language = language
        self._view = view
        self._seen = seen
        self._home = home
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
            case "POST", "/seen" | "/answer" | "/later":
                form = {name: values[0] for name, values in parse_qs(asked.body.decode("latin-1")).items()}
                if not hmac.compare_digest(form.get("word", "").encode(), self._word.encode()):
                    return response("403 Forbidden", b"open the page anew\n")
                await self._act(asked.path, form)
                return response("303 See Other", b"", "Location: /")
            case _:
                return response("404 Not Found", b"there is /\n")

    async def _act(self, path: str, form: dict[str, str]) -> None:
        ask = form.get("ask", "")[:100]
        if path == "/seen":
            await self._seen()
        elif path == "/later":
            self._home.later(ask)
        else:
            await self._home.answer(ask, form.get("value", "")[:100])

    def _shown(self) -> str:
        language, sheet = self._language, self._home.sheet()
        writes = sheet.question is not None and not sheet.question.question.choices
        return _PAGE.format(
            language=language, title=words.TITLE[language], script=_SCRIPT, deaf=escape(words.DEAF[language]),
            refresh=_SLOW_REFRESH_S if writes else REFRESH_S, state=self._state(), asked=_asked(sheet),
            question=self._question(sheet),
        )  # fmt: skip

    def _state(self) -> str:
        view, language = self._view(), self._language
        colour = _COLOUR.get(view.level, _CALM) if view.away else _CALM
        zone = words.ZONE[language].get(view.level, "") if view.away else ""
        head = (
            f'<h1 style="border-color:{colour}">{zone}</h1>'
            if zone
            else f'<h1 class="name">{words.TITLE[language]}</h1>'
        )
        button = (
            f'<form method="post" action="/seen">{self._hidden()}<button>{escape(words.SEEN[language])}</button></form>'
        )
        return (
            f'<div class="strip" style="background:{colour}"></div>{head}{_paragraphs(view.sentences)}'
            f"{button if view.to_be_seen else ''}"
        )

    def _question(self, sheet: Sheet) -> str:
        note = f'<p class="note">{escape(sheet.note)}</p>' if sheet.note else ""
        if sheet.question is None:
            return note
        language, ready = self._language, sheet.question
        text = escape(ready.question.nb if language == "nb" else ready.question.en)
        not_you = f'<p class="whose">{escape(sheet.not_you)}</p>' if sheet.not_you else ""
        fields = _choices(language, ready) if ready.question.choices else _number(language, ready, sheet)
        later = f'<button class="later" formaction="/later" formnovalidate>{words.LATER[language]}</button>'
        return (
            f'{note}<p class="whose">{escape(sheet.whose)}</p><h2 id="ask">{text}</h2>'
            f'<form method="post" action="/answer" aria-labelledby="ask">{self._hidden(ready.id)}{fields}{later}</form>'
            f"{not_you}"
        )

    def _hidden(self, ask: str = "") -> str:
        word = f'<input type="hidden" name="word" value="{self._word}">'
        return word + (f'<input type="hidden" name="ask" value="{escape(ask)}">' if ask else "")


def _asked(sheet: Sheet) -> str:
    """What the home is told and asked to measure; that is for now first."""
    told = "".join(f'<p class="told">{escape(one)}</p>' for one in sheet.told)
    return told + "".join(f'<p class="request">{escape(one)}</p>' for one in sheet.requests)


def _paragraphs(sentences: tuple[str, ...]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def _choices(language: words.Language, ready: Ready) -> str:
    texts = ((one.value, one.nb if language == "nb" else one.en) for one in ready.question.choices)
    return "".join(f'<button name="value" value="{value:g}">{escape(text)}</button>' for value, text in texts)


def _number(language: words.Language, ready: Ready, sheet: Sheet) -> str:
    channel = CHANNELS[ready.question.channel]
    hint = words.RANGE[language].format(low=f"{channel.low:g}", high=f"{channel.high:g}")
    error = f'<p id="error" class="error" role="alert">{escape(sheet.error)}</p>' if sheet.error else ""
    described = "error" if sheet.error else "hint"
    return (
        f'{error}<label for="value" id="hint">{escape(hint)}</label>'
        f'<input id="value" name="value" inputmode="decimal" autocomplete="off" required value="{escape(sheet.typed)}"'
        f' aria-labelledby="ask" aria-describedby="{described}"{" aria-invalid=true" if sheet.error else ""}>'
        f"<button>{words.ANSWER[language]}</button>"
    )


def of_the_house(host: str) -> bool:
    """Whether a browser asked by an address, or by a name that no stranger can own."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    name = name.strip("[]").lower()
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return name == "localhost" or name.endswith(".local")


_SCRIPT = """
const parts = document.querySelectorAll("main > section"), deaf = document.getElementById("deaf");
let missed = 0;
async function look() {
  try {
    const answer = await fetch("/", {cache: "no-store", signal: AbortSignal.timeout(4000)});
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const now = fresh.getElementById(part.id);
      if (now.innerHTML !== part.innerHTML) part.innerHTML = now.innerHTML;
    }
    missed = 0;
  } catch { missed += 1; }
  const lost = missed > 1;
  deaf.textContent = lost ? deaf.dataset.text : "";
  for (const part of parts) part.hidden = lost;
}
setInterval(look, 5000);
"""
_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: no-store",
    f"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options: nosniff",
    "Referrer-Policy: no-referrer",
)
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="{refresh}"></noscript>
<style>
body {{ margin: 0; padding: 4rem 2rem 2rem; font: 2rem/1.4 sans-serif; color: #111; background: #fff }}
.strip {{ position: absolute; inset: 0 0 auto 0; height: 2rem }}
h1 {{ margin: 0; padding-left: 1.5rem; border-left: 1.5rem solid; font-size: 4rem }} p {{ max-width: 34em }}
.name {{ padding: 0; border: 0; font-size: 1.5rem }}
h2 {{ font-size: 2.6rem; max-width: 24em }} section + section:not(:empty) {{ margin-top: 2.5rem }}
.request, .told {{ padding: .75rem 1.5rem; border: 4px solid #111; border-radius: .5rem; font-weight: 600 }}
.whose {{ font-size: 1.5rem }} .error, #deaf:not(:empty) {{ color: #8f0f16; font-weight: 600 }}
form {{ display: flex; flex-direction: column; align-items: flex-start; gap: 1rem }}
button, input:not([type=hidden]) {{ font: inherit; min-width: 44px; min-height: 44px; padding: 1rem 2rem;
  border: 3px solid #111; border-radius: .5rem; color: #111; background: #fff }}
input:not([type=hidden]) {{ width: 6em }} .later {{ border-style: dashed; font-size: 1.5rem }}
:focus-visible {{ outline: 6px solid #0b57d0; outline-offset: 4px }}
</style></head><body><main><div id="deaf" role="alert" data-text="{deaf}"></div>
<section id="state" aria-live="assertive">{state}</section>
<section id="asked" aria-live="polite">{asked}</section>
<section id="question" aria-live="polite">{question}</section>
</main><script>{script}</script></body></html>
"""
