"""Questions a patient answers at home, once: the words, and what may be answered.

An answer is a reading like any other, of the channel that the question is named for; its number is what the rules
see. A question is worded here and not in a programme, so that an answer means the same wherever it was asked.
The wording of every question wants a clinician's eye before use (check).
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Choice(msgspec.Struct, frozen=True):
    """One answer: the number it is to the rules, and its words."""

    value: float
    nb: str
    en: str


class Question(msgspec.Struct, frozen=True):
    """What is asked. Without `choices` the answer is a number within the channel's plausible range."""

    channel: str
    nb: str
    en: str
    choices: tuple[Choice, ...] = ()


_YES_NO = (Choice(0, "Nei", "No"), Choice(1, "Ja", "Yes"))
_MORE_AND_MORE = (
    Choice(0, "Ikke i det hele tatt", "Not at all"),
    Choice(1, "Litt", "A little"),
    Choice(2, "Noe", "Somewhat"),
    Choice(3, "Mye", "Much"),
    Choice(4, "Svært mye", "Very much"),
)

_TABLE = (
    Question(
        "breathlessness", "Er du tung i pusten?", "Are you short of breath?", _MORE_AND_MORE,
    ),
    Question(
        "swelling", "Er føttene eller leggene hovne?", "Are your feet or legs swollen?", _MORE_AND_MORE,
    ),
    Question(
        "chest_pain", "Har du vondt i brystet?", "Do you have chest pain?", _MORE_AND_MORE,
    ),
    Question(
        "concern", "Er du bekymret, eller føler du deg uvel?", "Are you worried, or do you feel unwell?", _YES_NO,
    ),
    Question(
        "face_droop", "Er ansiktet skjevt?", "Is the face drooping?", _YES_NO,
    ),
    Question(
        "arm_weakness", "Er en arm svak eller nummen?", "Is an arm weak or numb?", _YES_NO,
    ),
    Question(
        "speech_trouble", "Er det vanskelig å snakke?", "Is it difficult to speak?", _YES_NO,
    ),
    Question(
        "consciousness", "Hvor våken og klar er du?", "How awake and clear are you?",
        (
            Choice(0, "Våken og klar", "Awake and clear"),
            Choice(1, "Forvirret, og det er nytt", "Confused, and that is new"),
            Choice(2, "Våkner når noen snakker", "Wakes to a voice"),
        ),
    ),
    Question(
        "oxygen_flow", "Hvor mange liter oksygen får du i minuttet? (0 uten oksygen)",
        "How many litres of oxygen a minute do you get? (0 without oxygen)",
    ),
    Question(
        "pain", "Hvor vondt har du, fra 0 til 10?", "How much pain do you have, from 0 to 10?",
    ),
    Question(
        "cat_score", "Hvor mange poeng fikk du i KOLS-skjemaet (CAT)?",
        "How many points did you get in the COPD Assessment Test (CAT)?",
    ),
)  # fmt: skip

QUESTIONS: Mapping[str, Question] = MappingProxyType({question.channel: question for question in _TABLE})
"""By the channel that an answer is a reading of."""
