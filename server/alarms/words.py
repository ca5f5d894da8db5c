"""The sentences of the timeline, in both languages."""

from collections.abc import Mapping

from server.alarms.model import Alarm, To, Trigger
from server.notify.words import COLOUR, ROLE, wait, whom
from vitals.alarm import Level
from vitals.channels import CHANNELS
from vitals.clock import NS

Words = dict[str, str]

CAUSE = {
    "deterioration": ("pasienten er blitt dårligere", "the patient has become worse"),
    "expected": ("ventet, som planlagt", "expected, as planned"),
    "medication": ("medisinen", "the medication"),
    "measurement": ("feil ved målingen", "a fault of the measurement"),
    "equipment": ("feil ved utstyret", "a fault of the equipment"),
    "other": ("noe annet", "something else"),
}
"""What an alarm comes from, as whoever assessed it found (VKP: the cause)."""

_ACTION = {
    "phoned_patient": ("ringte pasienten", "phoned the patient"),
    "home_visit": ("hjemmebesøk", "home visit"),
    "medication_changed": ("endret medisinering", "medication changed"),
    "measured_again": ("målt på nytt", "measured again"),
    "escalated": ("sendt videre", "escalated"),
    "emergency_called": ("nødetat varslet", "emergency called"),
    "device_mended": ("utstyr i orden", "device mended"),
    "no_action": ("ingen tiltak", "no action"),
}
_OUTCOME = {
    "resolved_at_home": ("løst hjemme", "resolved at home"),
    "visited": ("besøkt", "visited"),
    "sent_to_gp": ("sendt til fastlege", "sent to the GP"),
    "admitted": ("innlagt", "admitted"),
    "visit_avoided": ("sparte et poliklinisk besøk", "outpatient visit avoided"),
    "false_alarm": ("falsk alarm", "false alarm"),
    "technical_fixed": ("teknisk feil rettet", "technical fault fixed"),
}


def taken(trigger: Trigger) -> Words:
    channel = CHANNELS.get(trigger.channel)
    if channel is None:  # an event: `dispenser.missed_critical`
        what = trigger.channel.rpartition(".")[2].replace("_", " ")
        return {"nb": f"{trigger.device} meldte «{what}»", "en": f"{trigger.device} reported “{what}”"}
    return {"nb": f"{channel.nb} målt av {trigger.device}", "en": f"{channel.en} measured by {trigger.device}"}


RECEIVED: Words = {"nb": "Mottatt av boksen i hjemmet", "en": "Received by the gateway in the home"}
LATE: Words = {"nb": "Målingen kom sent.", "en": "The reading came late."}
"""In a message, too: it says nothing of anybody's health."""


def stored(trigger: Trigger) -> Words:
    text = {"nb": "Lagret på serveren", "en": "Stored on the server"}
    if not trigger.late:
        return text
    after = wait((trigger.stored_ns - trigger.taken_ns) / NS)
    return {"nb": f"{text['nb']}, {after} etter målingen", "en": f"{text['en']}, {after} after it was measured"}


def came_after(reason: Words) -> Words:
    """What a closed alarm says of what came late to it."""
    return {"nb": f"Kom sent, målt før alarmen: {reason['nb']}", "en": f"Came late, measured before it: {reason['en']}"}


def joined(*texts: Words) -> Words:
    return {language: " ".join(text[language] for text in texts) for language in texts[0]}


SETTLED: Words = {
    "nb": "Reglene finner det ikke lenger; alarmen venter fortsatt på en person",
    "en": "The rules no longer find it; the alarm still waits for a person",
}
SETTLED_ITSELF: Words = {"nb": "Ordnet seg selv og er lukket", "en": "Settled by itself and is closed"}


def told_at_home(data: Mapping[str, object]) -> Words:
    return {
        "nb": f"Hjemmet ble varslet av boksen sin mens serveren var borte: {data.get('nb', data.get('rule'))}",
        "en": f"The home was told by its own box while the server was away: {data.get('en', data.get('rule'))}",
    }


def seen_at_home(_: Mapping[str, object]) -> Words:
    return {"nb": "Noen i hjemmet sa at varselet var sett", "en": "Somebody in the home said that this was seen"}


def raised(alarm: Alarm) -> Words:
    return {
        "nb": f"{COLOUR['nb'][alarm.level]} alarm, stige «{alarm.climb.ladder.name}»",
        "en": f"{COLOUR['en'][alarm.level]} alarm, ladder “{alarm.climb.ladder.name}”",
    }


def worse(before: Level, level: Level) -> Words:
    return {
        "nb": f"Verre: {COLOUR['nb'][before]} → {COLOUR['nb'][level]}.",
        "en": f"Worse: {COLOUR['en'][before]} → {COLOUR['en'][level]}.",
    }


def told(name: str, named: str, called: str = "") -> Words:
    """`named`: what the step names, a role or what is `called` so."""
    if called == name:
        return {"nb": f"Varsel til {name}", "en": f"Message to {name}"}
    return {
        "nb": f"Varsel til {name} ({whom(named, called, 'nb')})",
        "en": f"Message to {name} ({whom(named, called, 'en')})",
    }


def skipped(named: str, called: str, unreachable: tuple[str, ...]) -> Words:
    """Nobody was there whom the step could tell. `unreachable`: who is on call and has neither a way that counts nor a
    telephone."""
    nb, en = whom(named, called, "nb"), whom(named, called, "en")
    if unreachable:
        names, have = ", ".join(unreachable), "has" if len(unreachable) == 1 else "have"
        return {
            "nb": f"Ingen å nå som {nb}: {names} har ingen måte å bli nådd på",
            "en": f"Nobody to reach as {en}: {names} {have} no way to be reached",
        }
    return {"nb": f"Ingen på vakt som {nb}", "en": f"Nobody on call as {en}"}


def last_resort(reached: bool) -> Words:
    if reached:
        return {
            "nb": "Siste utvei: alle administratorer varsles",
            "en": "Last resort: every administrator is told",
        }
    return {
        "nb": "Ingen kan nås, heller ikke en administrator; prøver igjen",
        "en": "Nobody can be reached, not even an administrator; trying again",
    }


def acknowledged(name: str, expires_s: float) -> Words:
    return {
        "nb": f"{name} har den, i {wait(expires_s)}",
        "en": f"{name} has it, for {wait(expires_s)}",
    }


def expired(alarm: Alarm, now_ns: int) -> Words:
    """Why the ladder climbs on: what whoever had it did, and what then did not happen."""
    parked, name = alarm.parked, alarm.holder or ""
    since_ns = parked.since_ns if parked else alarm.acknowledged_ns
    ago = wait((now_ns - (since_ns or now_ns)) / NS)
    if parked is None:
        return {
            "nb": f"Kvittert av {name} for {ago} siden, men ikke lukket.",
            "en": f"Acknowledged by {name} {ago} ago but not closed.",
        }
    if parked.to is None:
        return {"nb": f"Utsatt av {name} i {ago}; tiden er ute.", "en": f"Snoozed by {name} for {ago}; that is over."}
    if parked.case is None:
        return {
            "nb": f"Overlevert av {name} til {_to(parked.to, 'nb')} for {ago} siden, men ikke overtatt.",
            "en": f"Handed over by {name} to {_to(parked.to, 'en')} {ago} ago but not taken.",
        }
    return {
        "nb": f"Sendt av {name} til {_to(parked.to, 'nb')} for {ago} siden, men ikke besvart.",
        "en": f"Sent by {name} to {_to(parked.to, 'en')} {ago} ago but not answered.",
    }


def _to(to: To, language: str) -> str:
    return to.name or ROLE[language][to.role]


def undone(name: str) -> Words:
    return {"nb": f"{name} angret kvitteringen", "en": f"{name} took the acknowledgement back"}


def assessed(name: str, cause: str) -> Words:
    nb, en = CAUSE[cause]
    return {"nb": f"Vurdert av {name}: {nb}", "en": f"Assessed by {name}: {en}"}


def snoozed(name: str, for_s: float, why: str) -> Words:
    return {"nb": f"Utsatt av {name} i {wait(for_s)}: {why}", "en": f"Snoozed by {name} for {wait(for_s)}: {why}"}


def disturbed(alarm: Alarm) -> Words:
    name = alarm.holder or ""
    return {
        "nb": f"Utsatt av {name}, men noe nytt er kommet til.",
        "en": f"Snoozed by {name}, but there is something new.",
    }


def handed_over(name: str, to: To) -> Words:
    return {
        "nb": f"Overlevert av {name} til {_to(to, 'nb')}.",
        "en": f"Handed over by {name} to {_to(to, 'en')}.",
    }


def reopened(name: str) -> Words:
    return {"nb": f"Åpnet igjen av {name}", "en": f"Opened again by {name}"}


def escalated(name: str) -> Words:
    return {"nb": f"Sendt videre av {name}.", "en": f"Escalated by {name}."}


def closed(action: str, outcome: str, usefulness: int) -> Words:
    return {
        "nb": f"Lukket: {_ACTION[action][0]}, {_OUTCOME[outcome][0]}, nytte {usefulness} av 5",
        "en": f"Closed: {_ACTION[action][1]}, {_OUTCOME[outcome][1]}, usefulness {usefulness} of 5",
    }


def noted(text: Words, note: str) -> Words:
    """The sentence with a person's note after it."""
    return {language: f"{sentence} – {note}" for language, sentence in text.items()} if note else text
