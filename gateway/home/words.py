"""What a home is told while nobody else is watching: plain sentences, what to do first.

They are read aloud and shown large. None says that help is on its way, because none is; none says that all is well,
because a box cannot know. {why} is the rule's own sentence (`triage.sentence`), {phone} the number of [local].
The numbers of the emergency services are Norway's.

What a home is asked for while somebody does watch is said as plainly: what to measure, and by when. No value and no
alarm is in it. The words want a clinician's eye before use (check).
"""

from datetime import datetime
from typing import Literal

from vitals.alarm import Level
from vitals.day import Day
from vitals.wire import Request

Language = Literal["nb", "en"]

EMERGENCY = "113"

_FOUND = {
    "nb": {
        Level.HIGH: "Viktig beskjed. {why}. {call} Er du alvorlig syk, eller har du tungt for å puste eller vondt i "
        "brystet: ring 113 med en gang. Vi når ikke tjenesten, så ingen andre har sett målingen.",
        Level.MEDIUM: "{why}. {call} Blir du verre, eller føler du deg alvorlig syk: ring 113. Vi når ikke tjenesten, "
        "så ingen andre har sett målingen.",
    },
    "en": {
        Level.HIGH: "Important. {why}. {call} If you are very ill, or find it hard to breathe, or your chest hurts: "
        "call 113 at once. The service is not reached, so nobody else has seen this reading.",
        Level.MEDIUM: "{why}. {call} If you get worse, or feel very ill: call 113. The service is not reached, so "
        "nobody else has seen this reading.",
    },
}
_CALL = {
    "nb": ("Ring {phone} nå og fortell om målingen.", "Ring legen eller legevakten, 116117, og fortell om målingen."),
    "en": ("Call {phone} now and tell them of it.", "Call your doctor or the out-of-hours service, 116117."),
}
_ALONE = {
    "nb": "Vi når ikke tjenesten. Ingen andre ser målingene dine akkurat nå. Mål som vanlig. Trenger du hjelp: {help}.",
    "en": "The service is not reached. Nobody else sees your readings now. Measure as usual. If you need help: {help}.",
}
_HELP = {"nb": ("ring {phone}, eller 113", "ring 113"), "en": ("call {phone}, or 113", "call 113")}
_BACK = {
    "nb": "Tjenesten er nådd igjen og får målingene dine. Har du ringt, så hold deg til det du fikk beskjed om.",
    "en": "The service is reached again and gets your readings. If you have called, keep to what you were told.",
}
_WATCHED = {
    "nb": "Målingene dine kommer fram til tjenesten.",
    "en": "Your readings reach the service.",
}
_BLIND = {
    "nb": "Vi når ikke tjenesten, og boksen kan ikke vurdere målingene selv. Føler du deg syk: {help}.",
    "en": "The service is not reached, and this box cannot judge your readings itself. If you feel ill: {help}.",
}
ZONE = {
    "nb": {Level.HIGH: "RØD", Level.MEDIUM: "GUL", Level.CALM: "", Level.UNKNOWN: "UKJENT"},
    "en": {Level.HIGH: "RED", Level.MEDIUM: "YELLOW", Level.CALM: "", Level.UNKNOWN: "UNKNOWN"},
}
TITLE = {"nb": "Hjemvakt", "en": "Hjemvakt"}
_MEASURE = {
    "nb": {
        "spo2": "oksygenmetningen", "bp_sys": "blodtrykket", "glucose": "blodsukkeret", "ketone": "ketonene",
        "resp_rate": "pusten", "body_temp": "temperaturen", "peak_flow": "PEF (blås i måleren)",
        "fev1": "pusten i spirometeret", "weight": "vekten",
    },
    "en": {
        "spo2": "your oxygen saturation", "bp_sys": "your blood pressure", "glucose": "your blood glucose",
        "ketone": "your ketones", "resp_rate": "your breathing rate", "body_temp": "your temperature",
        "peak_flow": "your peak flow", "fev1": "your breath in the spirometer", "weight": "your weight",
    },
}  # fmt: skip
_REQUEST = {
    "nb": {
        "later": "Neste måling: {what}, fra {start} og før {end}.",
        "now": "Mål {what} igjen før {end}.",
        "late": "Du skulle målt {what} før {end}. Mål nå.",
        "at_once": "Mål {what} en gang til nå. Sitt stille i fem minutter først.",
    },
    "en": {
        "later": "Next measurement: {what}, from {start} and before {end}.",
        "now": "Measure {what} again before {end}.",
        "late": "You were to measure {what} before {end}. Measure now.",
        "at_once": "Measure {what} once more now. Sit still for five minutes first.",
    },
}
_QUESTION_WAITS = {
    "nb": "Det er et spørsmål til deg på skjermen.",
    "en": "There is a question for you on the screen.",
}
_NEXT_QUESTION = {"nb": "Neste spørsmål kommer {when}.", "en": "The next question comes {when}."}
_QUESTION_OF = {
    "nb": ("Spørsmål {place} av {of}", "Spørsmål {place} av {of} til {name}"),
    "en": ("Question {place} of {of}", "Question {place} of {of} for {name}"),
}
_NOT_YOU = {
    "nb": "Er du ikke {name}? La spørsmålet stå.",
    "en": "You are not {name}? Leave the question.",
}
_CLOCK = {"nb": "kl. {time}", "en": "{time}"}
_DAYS = {
    "nb": ("", "i morgen ", "mandag tirsdag onsdag torsdag fredag lørdag søndag"),
    "en": ("", "tomorrow at ", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
}
THANKS = {"nb": "Takk. Svaret er lagret.", "en": "Thank you. Your answer is stored."}
UNFIT = {
    "nb": "Svaret passer ikke. Skriv et tall fra {low} til {high}.",
    "en": "That cannot be. Write a number from {low} to {high}.",
}
LOST = {
    "nb": "Svaret ble ikke lagret. Prøv igjen om litt.",
    "en": "Your answer was not stored. Try again in a while.",
}
ANSWER = {"nb": "Svar", "en": "Answer"}
LATER = {"nb": "Spør meg senere", "en": "Ask me later"}
RANGE = {"nb": "Et tall fra {low} til {high}", "en": "A number from {low} to {high}"}
DEAF = {
    "nb": "Boksen svarer ikke. Det som står her, kan være gammelt. Trenger du hjelp: ring 113.",
    "en": "The box does not answer. What stands here may be old. If you need help: call 113.",
}
SEEN = {"nb": "Jeg har sett dette", "en": "I have seen this"}


def found(language: Language, level: Level, why: str, phone: str) -> str:
    """A red or a yellow finding."""
    call = _CALL[language][0 if phone else 1].format(phone=phone)
    return _FOUND[language][level].format(why=why.rstrip("."), call=call)


def alone(language: Language, phone: str) -> str:
    """Nobody else sees the readings."""
    return _ALONE[language].format(help=_help(language, phone))


def blind(language: Language, phone: str) -> str:
    """Nobody sees them, not even this box."""
    return _BLIND[language].format(help=_help(language, phone))


def back(language: Language) -> str:
    """The service is there again; said after something was told."""
    return _BACK[language]


def watched(language: Language) -> str:
    """The service is there."""
    return _WATCHED[language]


def request(language: Language, one: Request, now_ns: int, day: Day) -> str:
    """A measurement that the patient is asked for. An instrument without words here is named by its channel."""
    if one.at_once:
        form = "at_once"
    elif now_ns < one.from_ns:
        form = "later"
    else:
        form = "now" if now_ns < one.by_ns else "late"
    what = _MEASURE[language].get(one.channel, one.channel)
    now, start, end = day.local(now_ns), day.local(one.from_ns), day.local(one.by_ns)
    words = {"what": what, "start": moment(language, start, now), "end": moment(language, end, now)}
    return _REQUEST[language][form].format(**words)


def question_waits(language: Language) -> str:
    """A question has become ready."""
    return _QUESTION_WAITS[language]


def next_question(language: Language, t_ns: int, now_ns: int, day: Day) -> str:
    """When the next question comes."""
    return _NEXT_QUESTION[language].format(when=moment(language, day.local(t_ns), day.local(now_ns)))


def question_of(language: Language, place: int, of: int, name: str) -> str:
    """Which question it is, and whose."""
    return _QUESTION_OF[language][1 if name else 0].format(place=place, of=of, name=name)


def not_you(language: Language, name: str) -> str:
    """What somebody else is to do with it; nothing where no name is known."""
    return _NOT_YOU[language].format(name=name) if name else ""


def moment(language: Language, t: datetime, now: datetime) -> str:
    """A time of day, with its day where that is not today: kl. 14, i morgen kl. 8.30."""
    sign = "." if language == "nb" else ":"
    time = f"{t.hour}{sign}{t.minute:02}" if t.minute or language == "en" else f"{t.hour}"
    ahead = (t.date() - now.date()).days
    today, tomorrow, weekdays = _DAYS[language]
    day = today if ahead == 0 else tomorrow if ahead == 1 else f"{weekdays.split()[t.weekday()]} "
    return day + _CLOCK[language].format(time=time)


def _help(language: Language, phone: str) -> str:
    return _HELP[language][0 if phone else 1].format(phone=phone)
