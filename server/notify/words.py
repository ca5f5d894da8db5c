"""What a message says, and what it must not.

Policy: a message crosses networks and lock screens that are not ours, so it carries no health data beyond what makes
someone act: the colour, the alarm's number, the patient's initials, the short name of the rule, and why *you* are told
now (who was told before and what they did not do). No measured value, no full name, no address, no diagnosis. The rest
is behind the sign-in.
"""

from server.alarms.model import Alarm
from server.api import Role
from server.escalation.model import Tell
from server.orders.model import LASTS_S
from triage.catalogue import catalogue
from vitals.alarm import Level

COLOUR = {
    "en": {Level.HIGH: "RED", Level.MEDIUM: "YELLOW", Level.LOW: "CYAN"},
    "nb": {Level.HIGH: "RØD", Level.MEDIUM: "GUL", Level.LOW: "BLÅ"},
}
ROLE: dict[str, dict[Role, str]] = {
    "en": {"nurse": "nurse", "doctor": "doctor", "specialist": "hospital specialist", "administrator": "administrator"},
    "nb": {"nurse": "sykepleier", "doctor": "lege", "specialist": "spesialist", "administrator": "administrator"},
}
_FRAME = {
    "en": "Hjemvakt: {colour} {technical}alarm {number} for {initials} ({rule}).{why} Sign in to see it.",
    "nb": "Hjemvakt: {colour} {technical}alarm {number} for {initials} ({rule}).{why} Logg inn for å se den.",
}
_OWN = {
    "gateway_silent": {"en": "Gateway silent", "nb": "Boksen er stille"},
    "gateway_full": {"en": "Gateway full", "nb": "Boksen er full"},
    "gateway_clock": {"en": "Gateway clock wrong", "nb": "Boksens klokke er feil"},
    **{
        f"order_{kind}_unknown": {
            "en": "Order to the dispenser, outcome unknown",
            "nb": "Ordre til dispenseren, utfall ukjent",
        }
        for kind in LASTS_S
    },
}
_TECHNICAL = {"en": "technical ", "nb": "teknisk "}
_WAITED = {
    "en": "Not acknowledged by the {role} within {wait}.",
    "nb": "Ikke kvittert av {role} innen {wait}.",
}
_RESORT = {
    "en": "Nobody on call could be told: this goes to every administrator.",
    "nb": "Ingen på vakt kunne varsles: dette går til alle administratorer.",
}


def whom(named: str, name: str, language: str) -> str:
    """Whom a step of a ladder tells: `nurse`; a roster or a person by name."""
    return name or next((word for role, word in ROLE[language].items() if role == named), named)


def initials(name: str) -> str:
    """`Solveig Nilsen` as `S.N.`"""
    return "".join(f"{part[0]}." for part in name.split())


def wait(seconds: float) -> str:
    """A wait as a person says it: `5 min`, `2 h 30 min`."""
    minutes = max(1, round(seconds / 60))
    hours, minutes = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def title(name: str, language: str) -> str:
    """The rule's short name; what the server finds by itself is in no rule's file."""
    rule = catalogue().get(name)
    return rule.title[language] if rule and rule.title else _OWN.get(name, {}).get(language, name.replace("_", " "))


def message(alarm: Alarm, patient_name: str, tell: Tell, why: dict[str, str] | None) -> str:
    """The text of one telling. `why` says what made the ladder move; None when it was time alone."""
    language = alarm.climb.ladder.language
    reasons = [why[language]] if why else []
    if why is None and tell.waited_on:
        reasons.append(
            _WAITED[language].format(role=whom(tell.waited_on, tell.waited_name, language), wait=wait(tell.waited_s))
        )
    if tell.last_resort:
        reasons.append(_RESORT[language])
    return _FRAME[language].format(
        colour=COLOUR[language][alarm.level],
        technical=_TECHNICAL[language] if alarm.kind == "technical" else "",
        number=alarm.id,
        initials=initials(patient_name),
        rule=title(alarm.reasons[0].rule, language) if alarm.reasons else alarm.kind,
        why="".join(f" {reason}" for reason in reasons),
    )
