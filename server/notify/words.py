"""What a message says, and what it must not.

Policy: a message crosses networks and lock screens that are not ours, so it carries no health data beyond what makes
someone act: the colour, the alarm's number, the patient's initials, the short name of the rule, and why *you* are told
now (who was told before and what they did not do). No measured value, no full name, no address, no diagnosis. The rest
is behind the sign-in. A push is shown by whatever browser, to whoever holds the telephone: it has the number alone.
"""

from server.alarms.model import Alarm
from server.api import Role
from server.escalation.model import Tell
from server.notify.sender import Language, Message
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

_ANSWER = {
    "en": {
        "code": "Reply OK {code} to take it.",
        "link": "Take it: {link}",
        "both": "Reply OK {code} to take it, or open {link}",
        "press": "Press 1 to take it.",
    },
    "nb": {
        "code": "Svar OK {code} for å ta den.",
        "link": "Ta den: {link}",
        "both": "Svar OK {code} for å ta den, eller åpne {link}",
        "press": "Trykk 1 for å ta den.",
    },
}
_SUBJECT = {
    "en": {True: "Hjemvakt: alarm {number}", False: "Hjemvakt: a message"},
    "nb": {True: "Hjemvakt: alarm {number}", False: "Hjemvakt: en melding"},
}
_PUSHED = {
    "en": {True: "You are called about alarm {number}.", False: "{text}"},
    "nb": {True: "Du varsles om alarm {number}.", False: "{text}"},
}


SENT = {"nb": "Sendt til {name} ({channel})", "en": "Sent to {name} ({channel})"}
DELIVERED = {"nb": "Levert til {name} ({channel})", "en": "Delivered to {name} ({channel})"}
FAILED = {
    "nb": "Ikke levert til {name}: {channel} kom ikke fram.",
    "en": "Not delivered to {name}: {channel} did not get through.",
}
"""On the timeline, of a message."""


def whole(message: Message) -> str:
    """The text with what it may be answered by. A message to a home is followed by its link and nothing else."""
    if message.alarm_id is None:
        return f"{message.text} {message.link}".rstrip()
    kind = "both" if message.code and message.link else "code" if message.code else "link" if message.link else None
    if kind is None:
        return message.text
    return f"{message.text} {_ANSWER[message.language][kind].format(code=message.code, link=message.link)}"


def subject(message: Message) -> str:
    """Of an e-mail."""
    return _SUBJECT[message.language][message.alarm_id is not None].format(number=message.alarm_id)


def spoken(message: Message) -> str:
    """On the telephone, where nobody reads a link."""
    if message.alarm_id is None or not message.link:
        return message.text
    return f"{message.text} {_ANSWER[message.language]['press']}"


def pushed(message: Message) -> dict[str, str]:
    """In a browser's notification: that there is an alarm, and its number."""
    body = _PUSHED[message.language][message.alarm_id is not None]
    return {"title": "Hjemvakt", "body": body.format(number=message.alarm_id, text=message.text)}


def language_of(name: str) -> Language:
    """Bokmål for whatever else somebody wrote into a row."""
    return "en" if name == "en" else "nb"


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
