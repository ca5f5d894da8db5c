"""Tables made up by a seed: some patients, of whom a few get worse and show it a little."""

from collections.abc import Callable

import numpy as np
import pytest

from triage.study.wide import Wide

CHANNELS = {
    "resp_rate": (18, 4, 0), "spo2": (96, 2, 0), "bp_sys": (125, 18, 0), "pulse_rate": (85, 14, 0),
    "body_temp": (37, 0.6, 1),
}  # fmt: skip
WORSE = {"resp_rate": 4, "spo2": -2, "bp_sys": -12, "pulse_rate": 12, "body_temp": 0.6}


def made_up(seed: int, patients: int = 30, most_hours: int = 40, gaps: float = 0.3) -> Wide:
    """Hours and values are missing here and there; about a third of the patients have an onset."""
    random = np.random.default_rng(seed)
    hour, patient, label = [], [], []
    column: dict[str, list[float]] = {name: [] for name in (*CHANNELS, "fio2")}
    for number in range(patients):
        hours = np.union1d(1, np.flatnonzero(random.random(random.integers(2, most_hours)) < 0.9) + 1)
        onset = random.integers(1, most_hours) if random.random() < 0.35 else np.inf
        for one in hours:
            worse = max(0.0, 1 - max(0.0, onset - one) / 24) if np.isfinite(onset) else 0.0
            for name, (middle, spread, decimals) in CHANNELS.items():
                value = round(middle + worse * WORSE[name] + random.normal(0, spread), decimals)
                column[name].append(np.nan if random.random() < gaps else min(value, 100) if name == "spo2" else value)
            column["fio2"].append(random.choice([np.nan, np.nan, 0.21, 0.4]))
            hour.append(float(one))
            patient.append(number)
            label.append(one >= onset - 6)
    return Wide(
        patients=tuple(f"p{number}" for number in range(patients)),
        patient=np.array(patient, dtype=np.int64),
        hour=np.array(hour),
        column={name: np.array(values, dtype=np.float64) for name, values in column.items()},
        label=np.array(label, dtype=np.bool_),
    )


@pytest.fixture(scope="session")
def tables() -> Callable[..., Wide]:
    return made_up
