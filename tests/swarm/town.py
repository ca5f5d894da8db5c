"""Who lives in this world, with which devices, and whose they are when: drawn once, and written as a municipality."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import tomli_w

from server.broker.accounts import hash_password
from server.config import Config, Fleet
from tests.swarm.bodies import KINDS, Body, Device
from tests.swarm.evaluator import Patient
from vitals.clock import NS

CONFIGS = Path(__file__).parents[2] / "configs"
START_NS = int(datetime(2026, 3, 20, 8, tzinfo=UTC).timestamp()) * NS
SINCE_NS = START_NS - 30 * 86_400 * NS
NURSE = "Kari Berg"

_PROGRAMMES = ("copd", "heart-failure", "heart-failure", "general")
_SECRET = hash_password("swarm", iterations=10)
_PACES = ((1.0, 900.0), (1.0, 1_800.0), (3.0, 3_600.0), (12.0, 14_400.0))
"""How much slower things happen than usual, and how often a gateway gives a sign of life, in seconds."""


@dataclass(frozen=True)
class Assignment:
    """Whose the device is, from (inclusive) to (exclusive)."""

    device: str
    patient: str
    from_ns: int
    to_ns: int | None

    def holds(self, t_ns: int) -> bool:
        return self.from_ns <= t_ns and (self.to_ns is None or t_ns < self.to_ns)


class Assignments:
    """Whose which device is when."""

    def __init__(self, every: Sequence[Assignment]) -> None:
        self.every = every

    def patient_at(self, device: str, t_ns: int) -> str | None:
        return next((one.patient for one in self.every if one.device == device and one.holds(t_ns)), None)

    def watched_since(self, patient: str, now_ns: int) -> int | None:
        """Since when the patient has had some device that is still theirs, and the server has known of it."""
        theirs = (one for one in self.every if one.patient == patient and one.holds(now_ns))
        return min((max(one.from_ns, START_NS) for one in theirs), default=None)


class Town:
    """Three to five homes with a person, a hub and five devices each."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.pace, self.heartbeat_s = draw.choice(_PACES)
        self.offline_s = 2.2 * self.heartbeat_s
        numbers = range(draw.randint(3, 5))
        self.bodies = {f"p-{number}": Body(draw) for number in numbers}
        self.patients = [self._patient(name) for name in self.bodies]
        self.devices = [Device(f"{kind}-{number}", kind, number) for number in numbers for kind in KINDS]
        self.homes = [f"home-{number}" for number in numbers]
        self.assignments = Assignments([one for device in self.devices for one in self._assigned(device)])

    def written(self, folder: Path) -> Config:
        """The configuration, with the municipality's file beside it."""
        path = folder / "municipality.toml"
        path.write_text(tomli_w.dumps(self._municipality()), encoding="utf-8")
        fleet = Fleet(self.offline_s, self.offline_s)
        return Config("Swarm", folder / "server", path, CONFIGS / "ladders.toml", demo=True, fleet=fleet)

    def _patient(self, name: str) -> Patient:
        draw, limits = self._draw, {}
        programme = draw.choice(_PROGRAMMES)
        if draw.random() < 0.5:
            limits = {"spo2_floor": float(draw.randint(86, 93)), "pulse_ceiling": float(draw.randint(90, 125))}
        if draw.random() < 0.5:
            limits["spo2_expected_s"] = draw.choice((1_800.0, 7_200.0))
            if limits["spo2_expected_s"] == 1_800.0:  # told to a nurse as soon as it is late
                limits["silence_times"] = 1.5
        if draw.random() < 0.3:
            limits["spo2_scale"] = 2.0
        if draw.random() < 0.3:
            limits["news2_low"] = 1.0
        if programme == "heart-failure" and draw.random() < 0.5:
            limits["weight_gain_kg"] = draw.choice((1.0, 1.5))
        return Patient(name, programme, limits)

    def _assigned(self, device: Device) -> list[Assignment]:
        """Most devices stay with one person; some go to another in the middle, with a gap or without one."""
        draw, names = self._draw, list(self.bodies)
        first = names[device.place]
        if draw.random() < 0.7:
            return [Assignment(device.id, first, SINCE_NS, None)]
        until_ns = START_NS + draw.randint(600, 150_000) * NS
        since_ns = until_ns + draw.choice((0, 0, 3_600, 20_000)) * NS
        return [
            Assignment(device.id, first, SINCE_NS, until_ns),
            Assignment(device.id, draw.choice(names), since_ns, None),
        ]

    def _municipality(self) -> dict[str, object]:
        return {
            "name": "Swarm",
            "patients": [
                {"id": one.id, "name": one.id, "birth_year": 1948, "place": "-", "programme": one.programme,
                 "limits": dict(one.limits)}
                for one in self.patients
            ],
            "gateways": [
                {"id": home, "place": "-", "patient": one.id, "password_hash": _SECRET}
                for home, one in zip(self.homes, self.patients, strict=True)
            ],
            "assignments": [
                {"device": one.device, "patient": one.patient, "from": _moment(one.from_ns)}
                | ({} if one.to_ns is None else {"to": _moment(one.to_ns)})
                for one in self.assignments.every
            ],
            "staff": [
                {"id": "kari", "name": NURSE, "role": "nurse", "phone": "+47 1", "password_hash": "$argon2id$none"}
            ],
        }  # fmt: skip


def _moment(t_ns: int) -> datetime:
    return datetime.fromtimestamp(t_ns / NS, UTC)
