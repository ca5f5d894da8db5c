"""Every channel that can be measured, once: its unit, codes, plausible range and resolution.

Codes: LOINC (Luhn check digit), SNOMED CT (Verhoeff check digit), MDC as the 32-bit number partition * 65536 + term
of ISO/IEEE 11073-10101. A code that could not be confirmed is left out: none is better than a wrong one. Units are
UCUM. The plausible range is what an instrument could truthfully report of a living person; a value outside it is a
fault of the measurement, never a finding about the patient.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class Channel(msgspec.Struct, frozen=True):
    """One kind of measurement. `low` and `high` bound the plausible range, in `unit`, both inclusive.

    `decimals` is what a person reads and what a rule's bands must hold for; a block keeps the precision of its device.
    """

    name: str
    en: str
    nb: str
    unit: str
    decimals: int
    low: float
    high: float
    loinc: tuple[str, ...] = ()
    mdc: int | None = None
    snomed: tuple[str, ...] = ()
    shown_unit: str = ""
    wave: bool = False
    """A signal sampled many times a second: where there is no room for everything, it goes first."""

    @property
    def resolution(self) -> float:
        """The smallest step worth keeping, in `unit`."""
        return float(10.0**-self.decimals)

    def plausible(self, value: float) -> bool:
        """Whether an instrument could truthfully report `value` (NaN is not plausible)."""
        return self.low <= value <= self.high


_UKONS = (
    ("infection", "Signs of infection", "Tegn på infeksjon"),
    ("breathlessness", "Breathlessness", "Tung pust"),
    ("chest_pain", "Chest pain", "Brystsmerter"),
    ("activity", "Less active", "Mindre aktiv"),
    ("diarrhoea", "Diarrhoea", "Diaré"),
    ("constipation", "Constipation", "Forstoppelse"),
    ("urination", "Trouble passing urine", "Vannlatingsplager"),
    ("nausea", "Nausea", "Kvalme"),
    ("vomiting", "Vomiting", "Oppkast"),
    ("mouth", "Sore mouth", "Sår munn"),
    ("appetite", "Poor appetite", "Dårlig matlyst"),
    ("pain", "Pain", "Smerte"),
    ("numbness", "Numbness or weakness", "Nummenhet eller svakhet"),
    ("confusion", "Confusion", "Forvirring"),
    ("fatigue", "Fatigue", "Utmattelse"),
    ("rash", "Rash", "Utslett"),
    ("bleeding", "Bleeding", "Blødning"),
    ("bruising", "Bruising", "Blåmerker"),
    ("eyes", "Eye trouble", "Øyeplager"),
    ("hands_feet", "Sore hands and feet", "Såre hender og føtter"),
    ("drip_site", "Trouble where the drip was", "Plager der dryppet satt"),
)
_PRO = (
    ("nausea", "Nausea", "Kvalme"),
    ("vomiting", "Vomiting", "Oppkast"),
    ("diarrhoea", "Diarrhoea", "Diaré"),
    ("constipation", "Constipation", "Forstoppelse"),
    ("appetite", "Poor appetite", "Dårlig matlyst"),
    ("mouth", "Sore mouth", "Sår munn"),
    ("pain", "Pain", "Smerte"),
    ("breathlessness", "Breathlessness", "Tung pust"),
    ("cough", "Cough", "Hoste"),
    ("fatigue", "Fatigue", "Utmattelse"),
    ("numbness", "Numbness or tingling", "Nummenhet eller prikking"),
    ("sleep", "Poor sleep", "Dårlig søvn"),
)

_TABLE = (
    Channel("spo2", "SpO₂", "SpO₂", "%", 0, 40, 100, ("2708-6", "59408-5"), 150456, ("431314004",)),
    Channel("pulse_rate", "Pulse", "Puls", "/min", 0, 20, 300, ("8867-4",), 149530, ("78564009", "364075005")),
    Channel("heart_rate", "Heart rate", "Hjertefrekvens", "/min", 0, 20, 300, ("8867-4",), 147842, ("364075005",)),
    Channel("rr_interval", "R–R interval", "R–R-intervall", "ms", 0, 150, 4000, (), 147240),
    Channel("perfusion_index", "Perfusion index", "Perfusjonsindeks", "%", 2, 0, 30, ("61006-3",), 150448),
    Channel(
        "resp_rate",
        "Respiratory rate",
        "Respirasjonsfrekvens",
        "/min",
        0,
        2,
        80,
        ("9279-1",),
        151562,
        ("86290005", "271625008"),
    ),
    Channel(
        "bp_sys",
        "Systolic pressure",
        "Systolisk trykk",
        "mm[Hg]",
        0,
        40,
        300,
        ("8480-6",),
        150021,
        ("271649006",),
        "mmHg",
    ),
    Channel(
        "bp_dia",
        "Diastolic pressure",
        "Diastolisk trykk",
        "mm[Hg]",
        0,
        20,
        200,
        ("8462-4",),
        150022,
        ("271650006",),
        "mmHg",
    ),
    Channel("bp_map", "Mean pressure", "Middeltrykk", "mm[Hg]", 0, 25, 250, ("8478-0",), 150023, ("6797001",), "mmHg"),
    Channel("body_temp", "Temperature", "Temperatur", "Cel", 1, 25, 45, ("8310-5",), 150364, ("276885007",), "°C"),
    Channel("weight", "Weight", "Vekt", "kg", 1, 2, 400, ("29463-7",), 188736, ("27113001",)),
    Channel(
        "bmi", "Body mass index", "Kroppsmasseindeks", "kg/m2", 1, 8, 120, ("39156-5",), 188752, ("60621009",), "kg/m²"
    ),
    Channel("body_fat", "Body fat", "Kroppsfett", "%", 1, 1, 80, ("41982-0",), 188748),
    Channel("muscle", "Muscle", "Muskler", "%", 1, 5, 90),
    Channel("muscle_mass", "Muscle mass", "Muskelmasse", "kg", 2, 1, 300),
    Channel("fat_free_mass", "Fat-free mass", "Fettfri masse", "kg", 2, 1, 300, (), 188756),
    Channel("soft_lean_mass", "Soft lean mass", "Myk fettfri masse", "kg", 2, 1, 300, (), 188760),
    Channel("body_water", "Body water", "Kroppsvann", "kg", 2, 1, 300, (), 188764),
    Channel("impedance", "Body impedance", "Kroppsimpedans", "Ohm", 1, 50, 5000, shown_unit="Ω"),
    Channel("basal_metabolism", "Basal metabolism", "Hvilestoffskifte", "kJ/d", 0, 500, 40_000, shown_unit="kJ/day"),
    Channel("energy", "Energy expended", "Energiforbruk", "kJ", 0, 0, 65_535),
    Channel("glucose", "Glucose", "Glukose", "mmol/L", 1, 0.5, 60, ("15074-8",), 160184, ("434912009",)),
    Channel("peak_flow", "Peak flow", "Peak flow", "L/min", 0, 20, 1000, ("19935-6",), 152584, ("18491006",)),
    Channel("fev1", "FEV1", "FEV1", "L", 2, 0.1, 9, ("20150-9",), 152586),
    Channel("fvc", "FVC", "FVC", "L", 2, 0.1, 12),
    Channel("ketone", "Ketones", "Ketoner", "mmol/L", 1, 0, 20),
    Channel("steps", "Steps", "Skritt", "{steps}", 0, 0, 200_000, ("55423-8",)),
    # 0 alert, 1 new confusion, 2 voice, 3 pain, 4 unresponsive: the order of ACVPU (RCP 2017).
    Channel(
        "consciousness",
        "Consciousness (ACVPU)",
        "Bevissthet (ACVPU)",
        "{acvpu}",
        0,
        0,
        4,
        ("80288-4",),
        None,
        ("1104441000000107",),
    ),
    Channel("oxygen_flow", "Oxygen flow", "Oksygentilførsel", "L/min", 1, 0, 60, ("3151-8",), None, ("57485005",)),
    Channel("pain", "Pain", "Smerte", "{score}", 0, 0, 10, ("72514-3",), None, ("225908003",)),
    # What the patient says, 0 for no or none: the questions and what may be answered stand in `vitals.answers`.
    Channel("breathlessness", "Breathlessness", "Tung pust", "{grade}", 0, 0, 4),
    Channel("swelling", "Swollen legs", "Hovne bein", "{grade}", 0, 0, 4),
    Channel("chest_pain", "Chest pain", "Brystsmerter", "{grade}", 0, 0, 4),
    Channel("concern", "Worried or unwell", "Bekymret eller uvel", "{yes}", 0, 0, 1),
    Channel("face_droop", "Face drooping", "Skjevt ansikt", "{yes}", 0, 0, 1),
    Channel("arm_weakness", "Arm weakness", "Svak arm", "{yes}", 0, 0, 1),
    Channel("speech_trouble", "Speech trouble", "Talevansker", "{yes}", 0, 0, 1),
    Channel("cat_score", "COPD Assessment Test", "KOLS-vurdering (CAT)", "{score}", 0, 0, 40),
    Channel("exact_score", "EXACT", "EXACT", "{score}", 0, 0, 100),
    # 0 none, 1 green, 2 amber, 3 red, as the UKONS 24-hour triage tool sorts what a patient in chemotherapy tells.
    *(Channel(f"ukons_{name}", f"{en} (UKONS)", f"{nb} (UKONS)", "{grade}", 0, 0, 3) for name, en, nb in _UKONS),
    # 0 none to 4 very severe, as the PRO-CTCAE grades the same.
    *(Channel(f"pro_{name}", f"{en} (PRO-CTCAE)", f"{nb} (PRO-CTCAE)", "{grade}", 0, 0, 4) for name, en, nb in _PRO),
    Channel("battery", "Battery", "Batteri", "%", 0, 0, 100),
    Channel("pleth", "Pulse wave", "Pulsbølge", "1", 0, 0, 65_535, (), 150452, wave=True),
)

CHANNELS: Mapping[str, Channel] = MappingProxyType({channel.name: channel for channel in _TABLE})

UKONS = tuple(f"ukons_{name}" for name, _, _ in _UKONS)
PRO_CTCAE = tuple(f"pro_{name}" for name, _, _ in _PRO)

ACVPU = ("A", "C", "V", "P", "U")
ACVPU_SNOMED = ("248234008", "130987000", "300202002", "450847001", "422768004")
NEWS2_SNOMED = "1104051000000101"
BP_PANEL_LOINC = "85354-9"
