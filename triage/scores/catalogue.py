"""The scores that a table can be scored with, each with the columns it takes and what its total means."""

from collections.abc import Mapping
from types import MappingProxyType

from triage.scores import crb65, mews, news2, qsofa, shock_index
from triage.scores.contract import Band, Column, Reads, Score

_RR = Column("rr", "respiratory rate", "resp_rate", unit="/min", high=120)
_HR = Column("hr", "pulse", "pulse_rate", unit="/min", high=350)
_SBP = Column("sbp", "systolic pressure", "bp_sys", unit="mmHg", low=30, high=350)
_DBP = Column("dbp", "diastolic pressure", "bp_dia", unit="mmHg", low=15, high=250)
_TEMP = Column("temp", "temperature", "body_temp", unit="°C", low=20, high=46)
_SPO2 = Column("spo2", "oxygen saturation", "spo2", unit="%", low=10, high=100)
_MIND = Column("acvpu", "consciousness", "consciousness", Reads.LETTER)
_SCALE = Column("spo2_scale", "SpO2 scale: 2 only where prescribed", "spo2_scale", low=1, high=2, usual=1)

_TABLE = (
    Score(
        "news2", "NEWS2", "1", "Royal College of Physicians, NEWS2, London 2017",
        (_RR, _SPO2, _SCALE, Column("on_o2", "breathes oxygen", "oxygen_flow", Reads.YES), _SBP, _HR, _MIND, _TEMP),
        lambda values: news2.points(values, values["spo2_scale"]),
        (Band(0, "low"), Band(5, "medium", alarming=True), Band(7, "high", alarming=True)),
        single_red=Band(3, "low-medium", alarming=True),
    ),
    Score(
        "mews", "MEWS", "1", "Subbe et al., QJM 2001 (check)",
        (_RR, _HR, _SBP, _TEMP, _MIND),
        mews.points,
        (Band(0, "low"), Band(3, "medium", alarming=True), Band(5, "high", alarming=True)),
    ),
    Score(
        "qsofa", "qSOFA", "1", "Singer et al., Sepsis-3, JAMA 2016 (check)",
        (_RR, _SBP, _MIND),
        qsofa.points,
        (Band(0, "low"), Band(2, "high", alarming=True)),
    ),
    Score(
        "shock_index", "Shock index", "1", "Allgöwer and Burri 1967, Rady et al. 1994 (check)",
        (_HR, _SBP),
        lambda values: {shock_index.NAME: shock_index.index(values)},
        (Band(0, "low"), Band(0.9, "medium", alarming=True), Band(1.0, "high", alarming=True)),
        decimals=2,
    ),
    Score(
        "crb65", "CRB-65", "1", "Lim et al., Thorax 2003 (check)",
        (
            Column("confusion", "new confusion", "consciousness", Reads.YES), _RR, _SBP, _DBP,
            Column("age", "age", "age", unit="years", high=125),
        ),
        crb65.points,
        (Band(0, "low"), Band(1, "medium", alarming=True), Band(3, "high", alarming=True)),
    ),
)  # fmt: skip

SCORES: Mapping[str, Score] = MappingProxyType({score.name: score for score in _TABLE})
"""By name."""
