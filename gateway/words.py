"""What a home is told while nobody else is watching: plain sentences, what to do first.

They are read aloud and shown large. None says that help is on its way, because none is; none says that all is well,
because a box cannot know. {why} is the rule's own sentence (`triage.sentence`), {phone} the number of [local].
The numbers of the emergency services are Norway's.
"""

from typing import Literal

from vitals.alarm import Level

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


def _help(language: Language, phone: str) -> str:
    return _HELP[language][0 if phone else 1].format(phone=phone)
