"""The page behind the link in a message about an alarm: what it is about, and one button.

It shows what the message said and no more, since whoever holds the telephone is not known to be its owner: no name of
a patient, no value. Looking takes nothing (`server.sheet`); the button does, in the name of the person to whom the
link was sent.
"""

from html import escape
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from server.access.door import address_of
from server.house import Here, House
from server.notify.answers import TAKEABLE, Outcome
from server.notify.outbox import outbox
from server.sheet import Language, language_of, sheet

router = APIRouter(prefix="/a", include_in_schema=False)

GUESS = "link"

WORDS: dict[Language, dict[str, str]] = {
    "nb": {
        "open": "Alarm {number} venter på deg", "aside": "{who} satte alarm {number} til side",
        "taken": "Du har alarm {number}", "mine": "Du har alarm {number}",
        "other": "{who} har alarm {number}", "closed": "Alarm {number} er lukket",
        "settled": "Alarm {number} er lukket", "old": "Lenken kan ikke brukes mer",
        "refused": "Alarm {number} kan ikke tas nå",
        "forbidden": "Alarm {number} er for helsepersonell", "hidden": "Du ser ikke denne pasienten",
        "unknown": "Lenken virker ikke",
        "take": "Jeg tar den", "as": "Du svarer som {name}.", "in": "Logg inn for å se pasienten",
        "foot": "Sekundær varsling: erstatter ikke kontakt med pasienten eller 113.",
    },
    "en": {
        "open": "Alarm {number} waits for you", "aside": "{who} set alarm {number} aside",
        "taken": "You have alarm {number}", "mine": "You have alarm {number}",
        "other": "{who} has alarm {number}", "closed": "Alarm {number} is closed",
        "settled": "Alarm {number} is closed", "old": "This link can no longer be used",
        "refused": "Alarm {number} cannot be taken now",
        "forbidden": "Alarm {number} is for clinicians", "hidden": "You do not see this patient",
        "unknown": "This link does not work",
        "take": "I take it", "as": "You answer as {name}.", "in": "Sign in to see the patient",
        "foot": "Secondary notification: it does not replace contact with the patient, or 113.",
    },
}  # fmt: skip
_STATUS = {
    "unknown": 404,
    "old": 410,
    "closed": 410,
    "settled": 410,
    "other": 409,
    "refused": 409,
    "forbidden": 403,
    "hidden": 403,
}


@router.get("/{token}")
def look(
    token: str, request: Request, here: Here, lang: Language | None = None,
    accept_language: Annotated[str, Header()] = "",
) -> Response:  # fmt: skip
    """How the alarm stands, with the button where it can be taken."""
    now_ns = here.clock.now_ns()
    _let_in(here, request, now_ns)
    with here.db.read() as tx:
        key = here.answers.keys.behind_link(tx, token, now_ns)
        outcome = here.answers.look(tx, key, now_ns)
        text = _told(tx, key.dedupe) if key else ""
    if key is None:
        here.answers.guesses.failed(GUESS, address_of(request), now_ns)
    return _page(here, token, outcome, text, lang or language_of(accept_language))


@router.post("/{token}")
def take(token: str, request: Request, here: Here, lang: Language = "nb") -> Response:
    """Take it. What became of it is then looked at, so that a page loaded anew takes nothing twice."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        _let_in(here, request, now_ns)
        key = here.answers.keys.behind_link(tx, token, now_ns)
        outcome = here.answers.take(tx, key, now_ns, "by link")
    if key is None:
        here.answers.guesses.failed(GUESS, address_of(request), now_ns)
    if outcome.what != "taken":
        return _page(here, token, outcome, "", lang)
    here.hub.patient_changed(outcome.patient_id)
    return RedirectResponse(f"/a/{token}?lang={lang}", 303)


def _page(here: House, token: str, outcome: Outcome, text: str, language: Language) -> Response:
    words = WORDS[language]
    title = words[outcome.what].format(number=outcome.number, who=outcome.who)
    if outcome.what in TAKEABLE:
        to = f"/a/{escape(token, quote=True)}?lang={language}"
        aside = f"<p>{escape(outcome.says(language, here.answers.zone))}</p>" if outcome.what == "aside" else ""
        body = (
            f'<p class="message">{escape(text)}</p>{aside}'
            f'<form method="post" action="{to}"><button>{escape(words["take"])}</button></form>'
            f"<p>{escape(words['as'].format(name=outcome.name))}</p>"
        )
    else:
        body = f"<p>{escape(outcome.says(language, here.answers.zone))}</p>"
    body += f'<p><a href="/">{escape(words["in"])}</a></p>'
    return sheet(title, body, words["foot"], language, _STATUS.get(outcome.what, 200))


def _told(tx: sa.Connection, dedupe: str) -> str:
    """What the message said, which is what may be shown."""
    return tx.scalar(sa.select(outbox.c.text).where(outbox.c.dedupe == dedupe)) or ""


def _let_in(here: House, request: Request, now_ns: int) -> None:
    wait_s = here.answers.guesses.wait_s(GUESS, address_of(request), now_ns)
    if wait_s:
        raise HTTPException(429, "too many links that are none; try again later", {"Retry-After": str(int(wait_s) + 1)})
