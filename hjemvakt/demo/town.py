"""Who lives in the demo, and the configuration files that make it so.

The first four patients carry the story: one deteriorates, one gains weight too fast, one misses a dose, one falls
silent. The others are well, and nobody may be told about them. Names and numbers are made up; the passwords are drawn
anew for each demo and exist only in its folder and on its terminal.

One clock is shared by every process through its three numbers, so the town lives `speed` times faster than the wall.
"""

import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tomli_w

from server.access.passwords import hash_password
from server.broker import accounts
from vitals.clock import NS, RunningClock

NAME = "Salten"
_START_HOUR = 7
_LEAD_S = 6.0
"""Seconds of the wall that the processes get to start before the story does."""


@dataclass(frozen=True)
class Part:
    """One patient's part in the story. `tells` names a plot of `story.PLOTS`; empty: nobody may be told."""

    name: str
    birth_year: int
    place: str
    programme: str
    scenario: str
    conditions: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    tells: str = ""


CAST = (
    Part("Solveig Nilsen", 1948, "Rognan", "copd", "copd-exacerbation", ("COPD GOLD 3",), tells="deteriorates"),
    Part("Arne Johansen", 1941, "Fauske", "heart-failure", "heart-failure-weight-gain", ("Heart failure NYHA III",),
         tells="gains weight"),
    Part("Marit Larsen", 1951, "Moldjord", "general", "missed-dose", ("Epilepsy",), tells="misses a dose"),
    Part("Odd Pedersen", 1945, "Røkland", "copd", "falls-silent", ("COPD GOLD 2",), {"spo2_expected_s": 1800},
         tells="falls silent"),
    Part("Ingrid Hansen", 1953, "Straumen", "general", "stable"),
    Part("Per Kristiansen", 1937, "Oldereid", "frail-elderly", "stable"),
)  # fmt: skip
_FIRST = ("Astrid", "Bjørn", "Gerd", "Harald", "Inger", "Jon", "Kirsten", "Leif", "Randi", "Svein", "Turid", "Øystein")
_LAST = ("Andersen", "Berg", "Dahl", "Eriksen", "Haugen", "Jensen", "Moen", "Olsen", "Solberg", "Strand", "Aas")
_PLACES = ("Bodø", "Fauske", "Gildeskål", "Inndyr", "Rognan", "Straumen")


@dataclass(frozen=True)
class Account:
    """Somebody of the staff. The password is for this demo only."""

    username: str
    name: str
    role: str
    phone: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Town:
    """The demo's folder and what stands in it."""

    folder: Path
    clock: RunningClock
    parts: Mapping[str, Part]
    """patient id -> part."""
    homes: Mapping[str, str]
    """home (gateway) name -> patient id."""
    staff: Mapping[str, Account]
    """role -> account."""
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def server_config(self) -> Path:
        return self.folder / "server" / "server.toml"

    @property
    def sim_config(self) -> Path:
        return self.folder / "sim.toml"

    def gateway_config(self, home: str) -> Path:
        return self.folder / home / "gateway.toml"


@dataclass(frozen=True)
class Wishes:
    """What was asked for on the command line. `speed`: clock seconds in a second of the wall."""

    patients: int
    speed: float
    seed: int
    port: int
    broker: str
    broker_port: int


def build(folder: Path, wishes: Wishes, wall_ns: int) -> Town:
    """Write every configuration below `folder`; the story starts a few seconds after `wall_ns`."""
    today = datetime.fromtimestamp(wall_ns / NS, UTC).replace(hour=_START_HOUR, minute=0, second=0, microsecond=0)
    origin_ns = int(today.timestamp()) * NS
    clock = RunningClock(wishes.speed, wall_ns + int(_LEAD_S * NS), origin_ns)
    parts = {f"p-{number:03}": part for number, part in enumerate(_everybody(wishes), start=1)}
    homes = {f"home-{number:02}": patient for number, patient in enumerate(parts, start=1)}
    staff = {account.role: account for account in _staff()}
    town = Town(folder, clock, parts, homes, staff, wishes.port)
    passwords = {home: secrets.token_urlsafe(24) for home in homes}
    _write_server(town, wishes, passwords, today)
    _write(town.sim_config, _sim(town, wishes))
    for number, home in enumerate(homes, start=1):
        _write_gateway(town, home, number, passwords[home], wishes)
    return town


def _everybody(wishes: Wishes) -> list[Part]:
    draw = random.Random(wishes.seed)
    extras = [
        Part(f"{draw.choice(_FIRST)} {draw.choice(_LAST)}", draw.randint(1935, 1960), draw.choice(_PLACES), "general",
             "stable")
        for _ in range(wishes.patients - len(CAST))
    ]  # fmt: skip
    return [*CAST, *extras][: wishes.patients]


def _staff() -> list[Account]:
    return [
        Account("kari", "Kari Berg", "nurse", "+47 900 00 001", _password()),
        Account("lege", "Dr. Nils Haugen", "doctor", "+47 900 00 002", _password()),
        Account("admin", "Anne Moen", "administrator", "+47 900 00 003", _password()),
    ]


def _password() -> str:
    """Easy to type, good for an hour on a loopback address."""
    return "-".join(secrets.token_hex(2) for _ in range(2))


def _write_server(town: Town, wishes: Wishes, passwords: Mapping[str, str], today: datetime) -> None:
    config = {
        "name": NAME,
        "demo": True,
        "clock": _clock(town),
        "web": {"port": town.port},
        "broker": {"kind": wishes.broker, "port": wishes.broker_port},
        "fleet": {"offline_after_s": _story_s(town, 45)},
        "acknowledge_expires_s": _story_s(town, 300),
        "tick_s": 0.25,
    }
    _write(town.server_config, config)
    _write(town.server_config.parent / "municipality.toml", _municipality(town, passwords, today))
    _write(town.server_config.parent / "ladders.toml", {"ladders": list(_ladders(town))})


def _municipality(town: Town, passwords: Mapping[str, str], today: datetime) -> dict[str, Any]:
    since = today - timedelta(days=60)
    return {
        "name": NAME,
        "patients": [
            {
                "id": patient,
                "name": part.name,
                "birth_year": part.birth_year,
                "place": part.place,
                "programme": part.programme,
                "phone": f"+47 755 00 {number:03}",
                "conditions": list(part.conditions),
                "limits": dict(part.limits),
            }
            for number, (patient, part) in enumerate(town.parts.items(), start=1)
        ],
        "gateways": [
            {
                "id": home,
                "place": town.parts[patient].place,
                "patient": patient,
                "password_hash": accounts.hash_password(passwords[home]),
            }
            for home, patient in town.homes.items()
        ],
        "assignments": [
            {"device": device["id"], "patient": patient, "from": since}
            for number, patient in enumerate(town.homes.values(), start=1)
            for device in _devices(number)
        ],
        "staff": [
            {
                "id": one.username,
                "name": one.name,
                "role": one.role,
                "phone": one.phone,
                "password_hash": hash_password(one.password),
            }
            for one in town.staff.values()
        ],
    }


def _ladders(town: Town) -> list[dict[str, Any]]:
    """The project's own ladders in shape, with waits a person at the demo can see: 20 s for red, 30 s for yellow."""

    def ladder(kind: str, priority: str, *steps: tuple[str, float]) -> dict[str, Any]:
        waits = [{"tell": role, "wait_s": _story_s(town, wait_s)} for role, wait_s in steps]
        del waits[-1]["wait_s"]  # what follows the last step is the ladder's repeat
        return {
            "name": f"{kind}, {priority}",
            "kind": kind,
            "priority": priority,
            "repeat_s": _story_s(town, 120),
            "language": "en",
            "steps": waits,
        }

    return [
        ladder("clinical", "high", ("nurse", 20), ("doctor", 60), ("administrator", 0)),
        ladder("clinical", "medium", ("nurse", 30), ("doctor", 0)),
        ladder("clinical", "low", ("nurse", 0)),
        *(ladder("technical", priority, ("nurse", 0)) for priority in ("high", "medium", "low")),
    ]


def _devices(number: int) -> list[dict[str, Any]]:
    """The three devices of home `number`, as the simulator knows them. Each clock is wrong in its own way."""
    low, high = number % 256, number // 256
    return [
        {"kind": "oximeter", "id": f"oxi-{number:04}", "address": f"F0:00:00:{high:02X}:{low:02X}:01",
         "drift_ppm": 40, "clock_offset_s": 95},
        {"kind": "scale", "id": f"scale-{number:04}", "address": f"F0:00:00:{high:02X}:{low:02X}:02",
         "drift_ppm": -25, "clock_offset_s": -600},
        {"kind": "dispenser", "id": f"disp-{number:04}", "port": f"home-{number:02}/dispenser",
         "memory": f"home-{number:02}/dispenser.memory", "drift_ppm": 15, "clock_offset_s": 40},
    ]  # fmt: skip


_DRIVER = {"oximeter": "plx-1822", "scale": "wss-181d", "dispenser": "hjemvakt-dispenser"}


def _sim(town: Town, wishes: Wishes) -> dict[str, Any]:
    return {
        "seed": wishes.seed,
        "clock": _clock(town),
        "homes": [
            {
                "name": home,
                "scenario": town.parts[patient].scenario,
                "radio": f"unix-server:{home}/radio",
                "devices": _devices(number),
            }
            for number, (home, patient) in enumerate(town.homes.items(), start=1)
        ],
    }


def _write_gateway(town: Town, home: str, number: int, password: str, wishes: Wishes) -> None:
    folder = town.folder / home
    config = {
        "name": home,
        "data": "data",
        "heartbeat_s": _story_s(town, 10),
        "clock": _clock(town),
        "uplink": {"port": wishes.broker_port, "password_file": "password", "reconnect_max_s": 2.0},
        "radio": {"kind": "bumble", "transport": f"unix:{folder / 'radio'}", "cool_down_s": 0.2},
        "devices": [
            {
                "id": device["id"],
                "driver": _DRIVER[device["kind"]],
                **({"port": str(folder / "dispenser")} if device["kind"] == "dispenser" else
                   {"address": device["address"]}),
            }
            for device in _devices(number)
        ],
    }  # fmt: skip
    _write(town.gateway_config(home), config)
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password + "\n", encoding="utf-8")


def _clock(town: Town) -> dict[str, float | int]:
    return {"speed": town.clock.speed, "start_ns": town.clock.start_ns, "origin_ns": town.clock.origin_ns}


def _story_s(town: Town, wall_s: float) -> float:
    """How many seconds of the town's clock pass in `wall_s` seconds of the wall."""
    return wall_s * town.clock.speed


def _write(path: Path, table: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
