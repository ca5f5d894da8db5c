"""Verdicts, asked in the ways the server asks."""

import dataclasses

import numpy as np
import pytest

from triage.catalogue import bounds, catalogue, defaults
from triage.contract import Finding
from triage.grid import Sample
from triage.run import run
from triage.samples import samples_of
from vitals.alarm import Audience, Kind, Level
from vitals.block import Block
from vitals.clock import NS
from vitals.errors import ConfigError
from vitals.events import Event

RULES = tuple(catalogue().values())


@pytest.fixture
def verdicts(home, now_ns):
    """Anna has a red saturation and a jammed dispenser, Bjørn nothing but a good saturation."""
    samples = (
        Sample("anna", "spo2", now_ns - 1200 * NS, 85),
        Sample("anna", "spo2", now_ns - 600 * NS, 84),
        Sample("anna", "dispenser.jam", now_ns - 3600 * NS, 0),
        Sample("bjørn", "spo2", now_ns - 600 * NS, 97),
    )
    return run(home(("anna", "bjørn"), samples, {}).window(*RULES), RULES)


def test_the_worst_reason_comes_first(verdicts):
    levels = [reason.level for reason in verdicts.reasons(0)]
    assert levels == sorted(levels, reverse=True)
    assert {reason.rule for reason in verdicts.reasons(0) if reason.level == Level.HIGH} >= {"spo2_floor"}


def test_clinical_and_technical_are_asked_apart(verdicts):
    assert [reason.rule for reason in verdicts.reasons(0, kind=Kind.TECHNICAL)] == ["dispenser_trouble"]
    assert "dispenser_trouble" not in {reason.rule for reason in verdicts.reasons(0, kind=Kind.CLINICAL)}
    assert verdicts.unknown(0, kind=Kind.TECHNICAL) == {"device_silent"}


def test_a_reason_carries_rule_version_numbers_and_time(verdicts, now_ns):
    (reason,) = [reason for reason in verdicts.reasons(0) if reason.rule == "spo2_floor"]
    assert (reason.version, reason.t_ns) == (catalogue()["spo2_floor"].version, now_ns)
    assert (reason.because["low_min"], reason.because["floor"], reason.because["count"]) == (84, 90, 2)
    assert reason.text["nb"] == "SpO₂ 84 %, grense 90 % (2 målinger under grensen)"


def test_unknown_is_told_only_when_asked_for(verdicts):
    assert verdicts.reasons(1) == []
    said = {reason.rule: reason.text["en"] for reason in verdicts.reasons(1, unknown=True)}
    assert set(said) == verdicts.unknown(1)
    assert said["weight_gain"] == "Weight gain: cannot be judged, readings are missing"


def test_the_worst_of_calm_and_unknown_is_unknown(verdicts):
    assert verdicts.worst().tolist() == [Level.HIGH, Level.UNKNOWN]
    assert verdicts.worst(Kind.TECHNICAL).tolist() == [Level.MEDIUM, Level.UNKNOWN]
    assert verdicts.alarmed().tolist() == [0]


def test_a_finding_for_the_patient_is_not_the_nurses(home):
    """Anna's is for herself, Bjørn's for a nurse; only Anna should measure again."""
    finding = Finding(
        np.full(2, Level.MEDIUM, np.int8), {}, np.array([Audience.PATIENT, Audience.NURSE], np.int8),
        {"spo2": np.array([True, False])},
    )  # fmt: skip
    judge = dataclasses.replace(catalogue()["spo2_floor"], judge=lambda w: finding)
    said = run(home(("anna", "bjørn"), (), {}).window(judge), [judge])
    assert [reason.tells for reason in said.reasons(0)] == [Audience.PATIENT]
    assert said.reasons(0, tells=Audience.NURSE) == []
    assert [reason.tells for reason in said.reasons(1, tells=Audience.NURSE)] == [Audience.NURSE]
    assert (said.wishes(0), said.wishes(1)) == ({"spo2"}, set())


def test_no_rules_no_verdict(home):
    nothing = run(home(("anna",), (), {}).window(), ())
    assert nothing.worst().tolist() == [Level.UNKNOWN]
    assert nothing.reasons(0) == []


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (Finding(np.zeros(2, np.int64), {}), "level must be int8"),
        (Finding(np.zeros(3, np.int8), {}), "level must be int8"),
        (Finding(np.zeros(2, np.int8), {"x": np.zeros(2, np.int64)}), "because\\['x'\\] must be float64"),
        (Finding(np.zeros(2, np.int8), {}, tells=np.zeros(2)), "tells must be int8"),
        (Finding(np.zeros(2, np.int8), {}, asks={"spo2": np.zeros(3, np.bool_)}), "asks\\['spo2'\\] must be bool"),
        (Finding(np.zeros(2, np.int8), {}, asks={"weight": np.zeros(2, np.bool_)}), "of a channel that it reads"),
    ],
)
def test_a_rule_that_breaks_its_promise_is_named(home, finding, said):
    broken = dataclasses.replace(catalogue()["spo2_floor"], judge=lambda w: finding)
    with pytest.raises(ValueError, match=f"'spo2_floor'.*{said}"):
        run(home(("anna", "bjørn"), (), {}).window(broken), [broken])


def test_the_catalogue_has_a_rule_of_every_file():
    assert list(catalogue()) == sorted(catalogue())
    assert set(catalogue()) >= {
        "news2", "spo2_floor", "weight_gain", "pulse_high", "missed_dose", "dispenser_trouble", "device_silent",
        "silent_after_red",
    }  # fmt: skip


def test_two_rules_with_one_limit_agree_on_its_default_and_share_the_narrower_bounds():
    floor = catalogue()["spo2_floor"]
    other = dataclasses.replace(floor, name="other", limits={"spo2_floor": 88.0}, bounds={"spo2_floor": (80.0, 200.0)})
    with pytest.raises(ConfigError, match=r"'spo2_floor' has the default 90\.0 in one rule and 88\.0 in 'other'"):
        defaults([floor, other])
    assert bounds([floor, other])["spo2_floor"] == (80, 100)


def test_a_measurement_becomes_samples_and_the_devices_doubt_is_kept():
    block = Block("spo2", (1, 2), (96.0, 95.0), status=("motion",))
    assert samples_of(block, "oximeter", "anna") == (
        Sample("anna", "spo2", 1, 96.0, False), Sample("anna", "spo2", 2, 95.0, False),
    )  # fmt: skip
    assert samples_of(Block("spo2", (1,), (96.0,), status=("stored", "low_battery")), "oximeter")[0].good


def test_an_event_becomes_a_sample_named_after_its_kind():
    (sample,) = samples_of(Event("dispenser.retrieved", 5, {"dose_id": 7}), "dispenser", "anna")
    assert sample[:3] == ("anna", "dispenser.retrieved", 5)
    assert samples_of(Event("dispenser.jam", 5), "dispenser")[0].value == 0


def test_a_missed_time_critical_dose_has_a_name_of_its_own():
    def name(kind: str, **data: int) -> str:
        return samples_of(Event(kind, 5, data), "dispenser")[0].channel

    assert name("dispenser.missed", dose_id=7, time_critical=1) == "dispenser.missed_critical"
    assert name("dispenser.missed", dose_id=7) == "dispenser.missed"
    assert name("dispenser.retrieved", time_critical=1) == "dispenser.retrieved"


def test_a_dose_is_told_apart_from_the_others_of_its_dispenser_and_from_those_of_another():
    def number(dose_id: object, device: str = "dispenser") -> float:
        return samples_of(Event("dispenser.missed", 5, {"dose_id": dose_id}), device)[0].value

    doses = [1, 2, 65_534, 65_535]
    assert len({number(dose, device) for dose in doses for device in ("dispenser", "the other")}) == 8
    assert number(1) == number(1) != 0
    for none in (0, -1, 65_536, 10**400, 1.5, "7"):
        assert number(none) == 0, "the protocol knows no such dose, so it is nobody's"
