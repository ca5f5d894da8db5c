"""The worklist's rows: for each patient what is wrong, how long someone has waited, and the newest values."""

from collections.abc import Sequence

from server.access.organisations import change_count
from server.alarms import table
from server.alarms.api import AlarmBrief
from server.alarms.model import Alarm
from server.alarms.views import brief as alarm_brief
from server.alarms.views import cases_of
from server.api import PatientBrief, Priority, Shape
from server.cases.model import Case
from server.db import Database
from server.fleet.store import online_of
from server.held.api import Question
from server.held.views import open_questions
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord, all_patients, patients_of
from server.patients.views import brief
from server.readings.api import News2, Value
from server.readings.store import Latest, latest
from server.readings.views import news2, values
from server.reviews.store import Reviewed, last
from server.wishes.api import WishView
from server.wishes.views import open_wishes
from vitals.clock import MS, Clock


class WorklistRow(Shape):
    """One patient. Sorted by `priority`, then `waiting_since_ms`; patients without an open alarm come last, those with
    an open question before the others."""

    patient: PatientBrief
    priority: Priority | None
    waiting_since_ms: int | None
    clinical: AlarmBrief | None
    technical: AlarmBrief | None
    latest: list[Value]
    news2: News2 | None
    last_reading_ms: int | None
    gateway_online: bool | None
    questions: list[Question]
    """The open ones, the longest waiting first."""
    wishes: list[WishView]
    """What the home is asked now, the most pressing first."""
    reviewed_ms: int | None
    """When somebody last said that they had gone through the patient; `reviewed_by`: their name."""
    reviewed_by: str | None


class Worklist(Shape):
    version: int
    now_ms: int
    rows: list[WorklistRow]


class Rows:
    """Builds rows from one consistent view of the database."""

    def __init__(self, db: Database, programmes: Programmes, clock: Clock) -> None:
        self._db = db
        self._programmes = programmes
        self._clock = clock

    def access_count(self) -> int:
        """How often it was changed who may see whom."""
        with self._db.read() as tx:
            return change_count(tx)

    def __call__(self, patient_ids: Sequence[str] | None) -> list[WorklistRow]:
        """The rows of these patients (None: of everybody) as they are now; ids of nobody are left out."""
        now_ns = self._clock.now_ns()
        with self._db.read() as tx:
            if patient_ids is None:
                records = all_patients(tx)
            else:
                found = {one.id: one for one in patients_of(tx, patient_ids)}
                records = [found[name] for name in patient_ids if name in found]
            newest = latest(tx, None if patient_ids is None else [one.id for one in records])
            open_alarms: dict[str, dict[str, Alarm]] = {}
            standing = table.all_open(tx, patient_ids)
            cases = cases_of(tx, standing)
            for alarm in standing:
                open_alarms.setdefault(alarm.patient_id, {})[alarm.kind] = alarm
            questions = open_questions(tx, patient_ids)
            wishes = open_wishes(tx, patient_ids)
            online = online_of(tx, patient_ids)
            reviewed = last(tx, patient_ids)
        known = [newest.get(one.id, {}) for one in records]
        limits = [self._programmes.limits(one.programme, one.limits) for one in records]
        return [
            self._row(
                one,
                mine,
                its,
                score,
                open_alarms.get(one.id, {}),
                questions.get(one.id, []),
                wishes.get(one.id, []),
                online.get(one.id),
                reviewed.get(one.id),
                cases,
                now_ns,
            )
            for one, mine, its, score in zip(records, known, limits, news2(known, limits, now_ns), strict=True)
        ]

    def _row(
        self,
        record: PatientRecord,
        newest: dict[str, Latest],
        limits: dict[str, float],
        score: News2 | None,
        alarms: dict[str, Alarm],
        questions: list[Question],
        wishes: list[WishView],
        online: bool | None,
        reviewed: Reviewed | None,
        cases: dict[int, Case],
        now_ns: int,
    ) -> WorklistRow:
        clinical, technical = alarms.get("clinical"), alarms.get("technical")
        worst = max(alarms.values(), key=lambda alarm: (alarm.level, -alarm.raised_ns), default=None)
        return WorklistRow(
            patient=brief(record, self._programmes),
            priority=worst.priority if worst else None,
            waiting_since_ms=worst.raised_ns // MS if worst else None,
            clinical=alarm_brief(clinical, cases.get(clinical.id)) if clinical else None,
            technical=alarm_brief(technical, cases.get(technical.id)) if technical else None,
            latest=values(record, newest, limits, self._programmes, now_ns),
            news2=score,
            last_reading_ms=max((one.t_ns for one in newest.values()), default=0) // MS or None,
            gateway_online=online,
            questions=questions,
            wishes=wishes,
            reviewed_ms=reviewed.t_ns // MS if reviewed else None,
            reviewed_by=reviewed.who if reviewed else None,
        )
