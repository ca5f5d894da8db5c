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
# The colours of the UKONS tool in words of our own: what a patient can tell green from amber and red by.
_TRAFFIC_LIGHT = (
    Choice(0, "Nei", "No"),
    Choice(1, "Litt, men jeg klarer meg fint", "A little, but I manage well"),
    Choice(2, "Ja, det hindrer meg i det jeg pleier å gjøre", "Yes, it keeps me from what I usually do"),
    Choice(3, "Ja, det er alvorlig", "Yes, it is severe"),
)
_SEVERITY = (
    Choice(0, "Ingen", "None"),
    Choice(1, "Lett", "Mild"),
    Choice(2, "Moderat", "Moderate"),
    Choice(3, "Alvorlig", "Severe"),
    Choice(4, "Svært alvorlig", "Very severe"),
)

_UKONS = (
    (
        "infection",
        "Har du frysninger eller andre tegn på infeksjon?",
        "Do you shiver or have other signs of infection?",
    ),
    ("breathlessness", "Er du tyngre i pusten enn du pleier?", "Are you more short of breath than usual?"),
    ("chest_pain", "Har du vondt i brystet?", "Do you have chest pain?"),
    ("activity", "Orker du mindre enn du pleier?", "Can you do less than usual?"),
    ("diarrhoea", "Har du diaré?", "Do you have diarrhoea?"),
    ("constipation", "Har du forstoppelse?", "Are you constipated?"),
    ("urination", "Har du plager med vannlatingen?", "Do you have trouble passing urine?"),
    ("nausea", "Er du kvalm?", "Do you feel sick?"),
    ("vomiting", "Kaster du opp?", "Are you vomiting?"),
    ("mouth", "Er du sår i munnen?", "Is your mouth sore?"),
    ("appetite", "Spiser eller drikker du mindre enn du pleier?", "Do you eat or drink less than usual?"),
    ("pain", "Har du smerter?", "Are you in pain?"),
    ("numbness", "Er du nummen eller svak i armer eller bein?", "Are your arms or legs numb or weak?"),
    ("confusion", "Er du forvirret eller uklar?", "Are you confused or muddled?"),
    ("fatigue", "Er du mer utmattet enn du pleier?", "Are you more tired than usual?"),
    ("rash", "Har du utslett?", "Do you have a rash?"),
    ("bleeding", "Blør du?", "Are you bleeding?"),
    ("bruising", "Har du nye blåmerker?", "Do you have new bruises?"),
    ("eyes", "Har du plager med øynene?", "Do you have trouble with your eyes?"),
    ("hands_feet", "Er du sår i hendene eller under føttene?", "Are your palms or soles sore?"),
    (
        "drip_site",
        "Er det rødt, hovent eller vondt der dryppet satt?",
        "Is it red, swollen or sore where the drip was?",
    ),
)
_PRO_CTCAE = (
    ("nausea", "kvalmen", "nausea"),
    ("vomiting", "oppkastet", "vomiting"),
    ("diarrhoea", "diareen", "diarrhoea"),
    ("constipation", "forstoppelsen", "constipation"),
    ("appetite", "den dårlige matlysten", "poor appetite"),
    ("mouth", "sårheten i munnen", "mouth soreness"),
    ("pain", "smertene", "pain"),
    ("breathlessness", "tungpustetheten", "shortness of breath"),
    ("cough", "hosten", "cough"),
    ("fatigue", "utmattelsen", "fatigue"),
    ("numbness", "nummenheten eller prikkingen", "numbness or tingling"),
    ("sleep", "søvnproblemene", "trouble sleeping"),
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
        "face_droop", "Har ansiktet blitt skjevt, eller skjevere, siden i går?",
        "Has the face begun to droop, or to droop more, since yesterday?", _YES_NO,
    ),
    Question(
        "arm_weakness", "Har en arm blitt svak eller nummen, eller mer enn før, siden i går?",
        "Has an arm become weak or numb, or more so than before, since yesterday?", _YES_NO,
    ),
    Question(
        "speech_trouble", "Har det blitt vanskeligere å snakke siden i går?",
        "Has it become more difficult to speak since yesterday?", _YES_NO,
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
    *(Question(f"ukons_{item}", nb, en, _TRAFFIC_LIGHT) for item, nb, en in _UKONS),
    *(
        Question(
            f"pro_{item}",
            f"Hvor alvorlig har {nb} vært på det verste de siste sju dagene?",
            f"How severe has your {en} been at its worst in the last seven days?",
            _SEVERITY,
        )
        for item, nb, en in _PRO_CTCAE
    ),
)  # fmt: skip

QUESTIONS: Mapping[str, Question] = MappingProxyType({question.channel: question for question in _TABLE})
"""By the channel that an answer is a reading of."""
