"""The demo's plot in motion: watch the nurse's own stream, tell what happens, and with `--once` act as the staff would.

Latency is measured as a nurse would feel it: from the moment the simulated device took a reading to the moment the
row with that reading arrived at a signed-in browser's stream.
"""

import asyncio
import contextlib
import time
from typing import Any

from hjemvakt.demo import story
from hjemvakt.demo.staff import Person, signed_in
from hjemvakt.demo.stage import Stage
from hjemvakt.demo.telling import Teller, iso, summary
from hjemvakt.demo.town import Town
from vitals.clock import MS, NS

Json = dict[str, Any]

_DEADLINE_S = 180.0
"""Of the wall, from the story's start."""
_SAME_READING_NS = 45 * NS
_NOTED = ("missed dose", "fell silent")


class Play:
    """One performance. `once`: the staff act by themselves and the performance ends when everything has happened."""

    def __init__(self, town: Town, teller: Teller, once: bool) -> None:
        self.town = town
        self.teller = teller
        self.once = once
        self.told: dict[str, list[story.Step]] = {
            patient: story.steps(story.PLOTS[part.tells], None, self._names())
            for patient, part in town.parts.items()
            if part.tells
        }
        self.latencies_ms: list[float] = []
        self.first_alarm_s: float | None = None
        self.strangers: list[str] = []
        """Alarms that the story did not foresee: patient and sentence."""
        self._alarm_of: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        """alarm id -> the priority and rule that the terminal told last."""
        self._seen_ms: dict[str, dict[str, int]] = {}
        """patient -> what was first seen in their home, and when."""
        self._taken: list[Json] = []
        self._readings = 0
        self._acted: set[str] = set()
        self._complete = asyncio.Event()

    async def run(self) -> bool:
        """Play; returns whether every step happened (always True when a person watches and stops it)."""
        stage = Stage(self.town)
        async with stage.playing(self._see_home):
            self.teller.welcome()
            staff = self.town.staff
            async with (
                signed_in(self.town.url, staff["nurse"]) as nurse,
                signed_in(self.town.url, staff["doctor"]) as doctor,
                asyncio.TaskGroup() as group,
            ):
                watching = group.create_task(self._watch(nurse, doctor))
                if self.once:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._complete.wait(), self._left_s())
                    watching.cancel()
        return not self.missing()

    def missing(self) -> dict[str, list[str]]:
        """What has not happened, by patient."""
        return {patient: lacks for patient, steps in self.told.items() if (lacks := story.missing(steps))}

    def report(self) -> Json:
        """Everything for a program."""
        return {
            "ok": not self.missing(),
            "speed": self.town.clock.speed,
            "patients": len(self.town.parts),
            "happenings": self._readings,
            "first_alarm_s": self.first_alarm_s,
            "reading_to_page_ms": summary(self.latencies_ms),
            "unforeseen_alarms": self.strangers,
            "missing": self.missing(),
            "stories": [self._told(patient, steps) for patient, steps in self.told.items()],
        }

    def _told(self, patient: str, steps: list[story.Step]) -> Json:
        return {
            "patient": patient,
            "name": self.town.parts[patient].name,
            "story": self.town.parts[patient].tells,
            "alarm": self._alarm_of.get(patient),
            "timeline": [
                {
                    "what": step.what,
                    "who": step.who,
                    "time": iso(step.t_ms) if step.t_ms else None,
                    "wall_s": round(self.teller.wall_s(step.t_ms), 2) if step.t_ms else None,
                    "text": step.text,
                }
                for step in steps
            ],
        }

    def _names(self) -> dict[str, str]:
        return {role: account.name for role, account in self.town.staff.items()}

    def _left_s(self) -> float:
        return self.town.clock.start_ns / NS + _DEADLINE_S - time.time()

    # What happens in the homes -------------------------------------------------------------------------------------

    def _see_home(self, happening: Json) -> None:
        self._readings += 1
        self._taken.append(happening)
        del self._taken[:-500]
        patient = self.town.homes[happening["home"]]
        self._seen_ms.setdefault(patient, {}).setdefault(happening["what"], happening["t_ns"] // MS)
        name = self.town.parts[patient].name
        if happening["what"] in _NOTED:
            self.teller.line(f"{name}: {happening['what']} ({happening['device']})", "quiet")
        self.teller.status(f"{self._readings} things have happened in the homes, {len(self._seen)} alarms so far")

    # What happens on the nurse's page ------------------------------------------------------------------------------

    async def _watch(self, nurse: Person, doctor: Person) -> None:
        async for name, data in nurse.stream():
            if name == "row":
                self._measure(data)
                await self._see_row(data, nurse)
            elif name == "phone":
                await self._see_phone(data, nurse, doctor)
            elif name == "patient":
                await self._refresh(data["patient_id"], nurse)

    async def _see_row(self, row: Json, nurse: Person) -> None:
        patient = row["patient"]["id"]
        for alarm in filter(None, (row["clinical"], row["technical"])):
            self._tell_alarm(row["patient"]["name"], alarm)
            await self._join(patient, alarm, nurse)
        await self._refresh(patient, nurse)

    def _tell_alarm(self, name: str, alarm: Json) -> None:
        newest = alarm["reasons"][0]
        known = f"{alarm['priority']} {newest['rule']}"
        if self._seen.get(alarm["id"]) != known:
            self._seen[alarm["id"]] = known
            said = f"{name}: {alarm['priority'].upper()} {alarm['kind']}: {newest['text']['en']}"
            self.teller.line(said, alarm["priority"])
            if self.first_alarm_s is None:
                self.first_alarm_s = round(time.time() - self.town.clock.start_ns / NS, 2)

    async def _join(self, patient: str, alarm: Json, nurse: Person) -> None:
        """The first alarm about the patient's part in the story is the one that is followed."""
        plot = story.PLOTS.get(self.town.parts[patient].tells)
        if plot is None:
            if alarm["id"] not in self._acted:
                self._acted.add(alarm["id"])
                self.strangers.append(f"{patient}: {alarm['reasons'][0]['text']['en']}")
            return
        if patient in self._alarm_of or not story.speaks_of(plot, alarm, self._seen_ms.get(patient, {})):
            return
        self._alarm_of[patient] = alarm["id"]
        if self.once and self._is_for(patient, "gains weight", alarm["id"]):
            await self._resolve(nurse, alarm["id"], "phoned_patient", "sent_to_gp")

    async def _see_phone(self, message: Json, nurse: Person, doctor: Person) -> None:
        self.teller.line(f"phone of {message['to']}: {message['text']}")
        for patient, alarm_id in self._alarm_of.items():
            if alarm_id == message["alarm_id"]:
                if self.once and message["role"] == "doctor" and self._is_for(patient, "deteriorates", alarm_id):
                    await self._resolve(doctor, alarm_id, "medication_changed", "admitted")
                await self._refresh(patient, nurse)

    def _is_for(self, patient: str, plot: str, alarm_id: str) -> bool:
        """Whether somebody is to act on this alarm, and has not."""
        return self.town.parts[patient].tells == plot and alarm_id not in self._acted

    async def _resolve(self, person: Person, alarm_id: str, action: str, outcome: str) -> None:
        self._acted.add(alarm_id)
        await person.acknowledge(alarm_id, "on my way")
        self.teller.line(f"{person.account.name} acknowledges", "good")
        await person.close(alarm_id, action, outcome, "seen to")
        self.teller.line(f"{person.account.name} closes: {action}, {outcome}".replace("_", " "), "good")

    async def _refresh(self, patient: str, nurse: Person) -> None:
        alarm_id = self._alarm_of.get(patient)
        if alarm_id is None or not story.missing(self.told[patient]):
            return
        alarm = await nurse.get(f"/api/alarms/{alarm_id}")
        self.told[patient] = story.steps(story.PLOTS[self.town.parts[patient].tells], alarm, self._names())
        if not self.missing():
            self._complete.set()

    def _measure(self, row: Json) -> None:
        """Match the row's newest values with what the devices took; each taken reading counts once."""
        now_ns = time.time_ns()
        home = next(home for home, patient in self.town.homes.items() if patient == row["patient"]["id"])
        for value in row["latest"]:
            for taken in self._taken:
                if (
                    taken["home"] == home
                    and value["channel"] in taken
                    and abs(taken["t_ns"] - value["t_ms"] * MS) < _SAME_READING_NS
                ):
                    self.latencies_ms.append((now_ns - taken["wall_ns"]) / MS)
                    self._taken.remove(taken)
                    break
