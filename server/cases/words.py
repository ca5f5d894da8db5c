"""What the timeline and the phones say of a case. A phone is told who sent what to whom, and nothing of the patient."""

from server.alarms.model import To
from server.alarms.words import Words, joined
from server.cases.model import Answer
from server.notify.words import ROLE

__all__ = ["NO_HOME", "answer_is_there", "answered", "joined", "opened", "sent"]

_ANSWER: dict[Answer, tuple[str, str]] = {
    "advise": ("gir råd", "advises"),
    "take_over": ("overtar", "takes over"),
    "admit": ("legger inn", "admits the patient"),
    "measure": ("ber om målinger", "asks for measurements"),
    "return": ("sender tilbake", "returns it"),
}
NO_HOME: Words = {
    "nb": "Hjemmet har ingen boks som kan vise det: ring pasienten.",
    "en": "The home has no box that could show it: phone the patient.",
}


def sent(name: str, to: To, number: int) -> Words:
    return {
        "nb": f"Sak {number} sendt av {name} til {to.name or ROLE['nb'][to.role]}.",
        "en": f"Case {number} sent by {name} to {to.name or ROLE['en'][to.role]}.",
    }


def opened(number: int, name: str) -> Words:
    return {"nb": f"Sak {number} åpnet av {name}", "en": f"Case {number} opened by {name}"}


def answered(name: str, said: Answer) -> Words:
    nb, en = _ANSWER[said]
    return {"nb": f"Svar fra {name}: {nb}.", "en": f"Answer from {name}: {en}."}


def answer_is_there(name: str, number: int) -> Words:
    return {"nb": f"{name} har svart på sak {number}.", "en": f"{name} has answered case {number}."}
