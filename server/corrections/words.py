"""What an alarm's timeline says of a reading that was corrected, in both languages."""

from collections.abc import Sequence

from server.alarms.words import Words, noted
from server.corrections.store import Correction
from server.notify.words import wait
from server.readings.model import Reading
from server.readings.views import shown_decimals, unit
from vitals.channels import CHANNELS
from vitals.clock import NS

REASON = {
    "wrong_person": ("det var ikke pasienten", "it was not the patient"),
    "device_error": ("feil på apparatet", "the device was at fault"),
    "measured_wrongly": ("feil måte å måle på", "it was measured wrongly"),
    "other": ("annen grunn", "another reason"),
}


def invalidated(correction: Correction) -> Words:
    """That it counts no longer, and why."""
    nb, en = REASON[correction.reason]
    ago = wait((correction.said_ns - correction.t_ns) / NS)
    text = {
        "nb": f"{_values(correction, 'nb')}, målt for {ago} siden, er ugyldig: {nb}",
        "en": f"{_values(correction, 'en')}, measured {ago} ago, is invalid: {en}",
    }
    return noted(text, correction.note)


def reinstated(correction: Correction) -> Words:
    """That it counts again, and why."""
    text = {
        "nb": f"{_values(correction, 'nb')} gjelder likevel",
        "en": f"{_values(correction, 'en')} counts after all",
    }
    return noted(text, correction.undone_why or "")


def _values(correction: Correction, language: str) -> str:
    return _listed([one for one, _ in correction.readings], language)


def _listed(readings: Sequence[Reading], language: str) -> str:
    return ", ".join(
        f"{getattr(CHANNELS[one.channel], language)} {_number(one, language)} {unit(one.channel)}".rstrip()
        for one in readings
    )


def _number(one: Reading, language: str) -> str:
    text = f"{one.value:.{max(0, shown_decimals(one.channel, one.decimals))}f}"
    return text.replace(".", ",") if language == "nb" else text
