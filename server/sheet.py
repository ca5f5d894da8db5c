"""A page without a sign-in and without a script, behind a key in its address: made here, because it must open at once
on any telephone. What it says is its caller's; how it is framed, and in which language, is the same for all.

To look at such a page changes nothing, since a telephone may look at a link before its owner does; only a POST acts.
"""

from html import escape
from typing import Literal

from fastapi.responses import HTMLResponse, Response

Language = Literal["nb", "en"]

_OTHER: dict[Language, tuple[Language, str]] = {"nb": ("en", "In English"), "en": ("nb", "På norsk")}


def language_of(accepted: str) -> Language:
    """The first of the browser's languages (its Accept-Language) that there is; Bokmål for every other."""
    for one in accepted.split(","):
        code = one.partition(";")[0].strip().partition("-")[0].lower()
        if code in ("nb", "no", "nn", "en"):
            return "en" if code == "en" else "nb"
    return "nb"


def sheet(title: str, body: str, foot: str, language: Language, status: int = 200) -> Response:
    """The page. `body` is HTML; `title` and `foot` are text."""
    other, switch = _OTHER[language]
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<title>{escape(title)} – Hjemvakt</title><link rel="stylesheet" href="/q/page.css"></head><body>'
        f'<header><span class="brand">Hjemvakt</span><a href="?lang={other}" lang="{other}" hreflang="{other}">'
        f"{escape(switch)}</a></header>"
        f"<main><h1>{escape(title)}</h1>{body}</main><footer><p>{escape(foot)}</p></footer></body></html>",
        status,
    )
