"""The page behind the link in a text message: one question, three answers, no sign-in and no script.

It shows the kind of device and the time, and neither a name nor a value: whoever holds the link is not known to be the
patient. How it is framed is `server.sheet`'s.

To look changes nothing (a telephone may look at a link before its owner does); only an answer does, and that is a POST
with the key in its path and the origin checked (`server.site.Guard`). There is no cookie, so there is nothing that
another page could make a browser send along. A link that no longer opens anything says so, whatever the reason.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Header
from fastapi.responses import FileResponse, RedirectResponse, Response

from server.config import zone_of
from server.held import home, store
from server.held.model import ON_A_SCALE, Said
from server.house import Here, House
from server.readings.store import Reading
from server.sheet import Language, language_of, sheet
from vitals.clock import NS

router = APIRouter(prefix="/q", include_in_schema=False)

Word = Literal["me", "other", "unknown"]

STYLE = Path(__file__).with_name("page.css")
_SAYS: dict[Word, Said] = {"me": "hers", "other": "not_hers"}

WORDS: dict[Language, dict[str, str]] = {
    "nb": {
        "title": "Et spørsmål om en måling",
        "scale": "Var det du som brukte badevekten?",
        "cuff": "Var det du som brukte blodtrykksmåleren?",
        "when": "Målt",
        "why": "Vi spør så målingen ikke havner hos feil person.",
        "me": "Ja, det var meg",
        "other": "Nei, det var noen andre",
        "unknown": "Jeg vet ikke",
        "changed": "Det er kommet en måling til siden du åpnet siden. Se på alle tidspunktene, og svar på nytt.",
        "thanks": "Takk for svaret",
        "thanks_what": "Svaret er lagret. Du kan lukke siden.",
        "closed": "Lenken virker ikke lenger",
        "closed_what": "Spørsmålet er besvart, eller lenken er for gammel. Du trenger ikke gjøre noe.",
        "ill": "Ingen leser denne siden fortløpende. Er du syk, ring legevakten på 116 117, eller 113 hvis det haster.",
        "at": "{day}.{month}. kl. {hour:02}.{minute:02}",
    },
    "en": {
        "title": "A question about a measurement",
        "scale": "Was it you who used the scale?",
        "cuff": "Was it you who used the blood pressure monitor?",
        "when": "Measured",
        "why": "We ask so that the measurement is not kept as the wrong person's.",
        "me": "Yes, it was me",
        "other": "No, it was somebody else",
        "unknown": "I do not know",
        "changed": "One more measurement has come since you opened this page. Look at all the times, and answer again.",
        "thanks": "Thank you for your answer",
        "thanks_what": "Your answer is stored. You may close this page.",
        "closed": "This link no longer works",
        "closed_what": "The question has been answered, or the link is too old. There is nothing you need to do.",
        "ill": "Nobody watches this page. If you are ill, call 116 117, or 113 in an emergency.",
        "at": "{day}.{month}. at {hour:02}:{minute:02}",
    },
}


@router.get("/page.css")
def style() -> FileResponse:
    """How the page looks."""
    return FileResponse(STYLE, media_type="text/css")


@router.get("/{token}")
def look(
    token: str,
    here: Here,
    lang: Language | None = None,
    done: bool = False,
    accept_language: Annotated[str, Header()] = "",
) -> Response:
    """The question, or that the link opens nothing. `done`: the answer was given a moment ago."""
    language = lang or language_of(accept_language)
    with here.db.read() as tx:
        question = home.behind(tx, token, here.clock.now_ns())
        if question is not None and question.said is None:
            held = store.readings_of(tx, [question.id])[question.id]
            return _asking(here, token, question.version, held, language)
    return _said("thanks", language, 200) if done else _said("closed", language, 410)


@router.post("/{token}")
def answer(token: str, here: Here, said: Word, version: int, lang: Language = "nb") -> Response:
    """The answer. What is answered with `me` is filed, and the rules look at it before this returns."""
    changed: set[str] = set()
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        question = home.behind(tx, token, now_ns)
        if question is None or question.said is not None:
            return _said("closed", lang, 410)
        if version != question.version:
            held = store.readings_of(tx, [question.id])[question.id]
            return _asking(here, token, question.version, held, lang, changed=True)
        if said == "unknown":
            store.home_knows_not(tx, question, now_ns)
        else:
            filed = store.answer(
                tx, question, version, _SAYS[said], who=store.HOME, name=store.HOME, by="home", now_ns=now_ns
            )
            changed = here.look(tx, {question.patient_id: filed}, now_ns) if filed else set()
        home.use_up(tx, question.id, now_ns)
    for patient_id in changed | {question.patient_id}:
        here.hub.patient_changed(patient_id)
    return RedirectResponse(f"/q/{token}?lang={lang}&done=1", 303)


def _asking(
    here: House, token: str, version: int, held: Sequence[Reading], language: Language, *, changed: bool = False
) -> Response:
    words = WORDS[language]
    kind = "scale" if any(one.channel in ON_A_SCALE for one in held) else "cuff"
    moments = "".join(f"<li>{escape(_moment(here, t_ns, words['at']))}</li>" for t_ns in sorted({r.t_ns for r in held}))
    to = f"/q/{escape(token, quote=True)}?lang={language}&amp;version={version}&amp;said="
    buttons = "".join(
        f'<button formaction="{to}{said}">{escape(words[said])}</button>' for said in ("me", "other", "unknown")
    )
    notice = f'<p class="notice" role="alert">{escape(words["changed"])}</p>' if changed else ""
    body = (
        f'{notice}<p class="why">{escape(words["why"])}</p>'
        f"<h2>{escape(words['when'])}</h2><ul>{moments}</ul>"
        f'<h2 id="ask">{escape(words[kind])}</h2>'
        f'<form method="post" action="{to}unknown" aria-labelledby="ask">{buttons}</form>'
    )
    return sheet(words["title"], body, words["ill"], language, 409 if changed else 200)


def _said(what: Literal["thanks", "closed"], language: Language, status: int) -> Response:
    words = WORDS[language]
    return sheet(words[what], f"<p>{escape(words[f'{what}_what'])}</p>", words["ill"], language, status)


def _moment(here: House, t_ns: int, form: str) -> str:
    zone = zone_of(here.config.time_zone, "server.toml")
    t = datetime.fromtimestamp(t_ns // NS, UTC).astimezone(zone)
    return form.format(day=t.day, month=t.month, hour=t.hour, minute=t.minute)
