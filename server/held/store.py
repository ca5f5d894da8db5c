"""Held readings as rows, and the question about them.

Held is stored: the gateway is told so and lets go, exactly as of a reading that is filed. But a held reading is no row
of the person's readings, so no series, no score and no rule sees it, and a weight that is only held is a weight that
is missing (`triage.rules.silence` finds it).

A question gathers what belongs together: all that one weighing tells, and the weighings that agree with each other.
Three mornings of 83 kg are one question with three weighings, which is what a real change looks like, and not three
chances to say no. Its `version` grows with every weighing and every answer, so an answer is to what was seen.

What is held stays here for good, whatever the answer; `hers` copies it into the readings, under the identity and with
the times that it came with. So both tables are asked before anything is taken in, and nothing is ever counted twice.
"""

import bisect
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from server.audit import store as audit
from server.db import Number, metadata
from server.held.model import (
    MAY_BE_HELD,
    MEMORY_DAYS,
    NEAREST,
    ON_A_SCALE,
    Because,
    Said,
    Usual,
    Weighing,
    other_user,
    user_of,
    usual,
)
from server.notify import outbox
from server.patients.store import slot_at
from server.quick import Among
from server.readings.invalid import INVALID
from server.readings.sheaf import sheaf
from server.readings.store import EVER_NS, Reading, file, known, series, stored_already, take_back
from vitals.clock import NS
from vitals.errors import HjemvaktError

held = sa.Table(
    "held",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("slot", Number, comment="the user that the device named"),
    sa.Column("usual_kg", sa.Float),
    sa.Column("limit_kg", sa.Float),
    sa.Column("since_ns", sa.BigInteger),
    sa.Column("opened_ns", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("said", sa.Text),
    sa.Column("said_ns", sa.BigInteger),
    sa.Column("said_by", sa.Text),
    sa.Column("said_from", sa.Text),
    sa.Column("home_asked_ns", sa.BigInteger),
    sa.Column("home_unknown_ns", sa.BigInteger),
    sa.Index("held_of_patient", "patient_id", "said"),
)

held_readings = sa.Table(
    "held_readings",
    metadata,
    sa.Column("identity", sa.LargeBinary, primary_key=True),
    sa.Column("held_id", Number, sa.ForeignKey("held.id"), nullable=False, index=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("decimals", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("record", sa.Text),
    sa.Column("device_t_ns", sa.BigInteger),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("stored_ns", sa.BigInteger, nullable=False),
    sa.Column("shift_ns", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("held_readings_moment", "patient_id", "device", "t_ns"),
)

From = Literal["staff", "home"]
HOME = "home"
"""Who answered, where it was somebody in the home: nobody else is known of them."""

ANSWERED_SHOWN = 10

_DAY_NS = 86_400 * NS


class Question(msgspec.Struct, frozen=True):
    """What is asked. `usual_kg`, `limit_kg`, `since_ns`: what the weight was held against when it was opened.

    `said` None: it is open. `said_by`: a name, or HOME. `home_unknown_ns`: the home does not know either.
    """

    id: int
    patient_id: str
    device: str
    because: Because
    slot: int | None
    usual_kg: float | None
    limit_kg: float | None
    since_ns: int | None
    opened_ns: int
    version: int
    said: Said | None = None
    said_ns: int | None = None
    said_by: str | None = None
    said_from: From | None = None
    home_asked_ns: int | None = None
    home_unknown_ns: int | None = None


class Sifted(NamedTuple):
    """What to file, how many readings were held, and whose questions changed."""

    file: list[Reading]
    held: int
    patients: set[str]


class Refused(HjemvaktError):
    """The answer comes too late, or is to something that has changed since. `who` was first, if anybody was."""

    def __init__(self, text: str, mend: str, who: str | None = None) -> None:
        super().__init__(text, mend)
        self.who = who


def sift(tx: sa.Connection, taken: Sequence[Reading], now_ns: int) -> Sifted:
    """Hold what does not fit whom it is assigned to; returns the rest, to be filed.

    What is stored already, here or there, is not looked at again: a reading that is sent twice is one.
    """
    doubtful = _unseen(tx, (one for one in taken if one.channel in MAY_BE_HELD))
    file = [one for one in taken if one.channel not in MAY_BE_HELD]
    weights: dict[str, list[Weighing]] = {}
    count, patients = 0, set()
    for one in sorted(doubtful, key=_weight_first):
        question = _question_of(tx, one, weights.get(one.patient_id, ()), now_ns)
        if question is None or question.said == "hers":
            file.append(one)
            if one.channel == "weight" and one.good:
                weights.setdefault(one.patient_id, []).append(Weighing(one.t_ns, one.value))
            continue
        _hold(tx, question, one, now_ns)
        count += 1
        patients.add(one.patient_id)
        if one.channel == "weight":
            _hold_what_came_before(tx, question, one, now_ns)
    return Sifted(file, count, patients)


def answer(
    tx: sa.Connection, question: Question, version: int, said: Said, *, who: str, name: str, by: From, now_ns: int
) -> list[Reading]:
    """Close the question for everybody; returns what was filed by it. Audited as `who` of the staff, or HOME.

    Raises Refused when a colleague, or the home, has answered, or when more was measured since `version`.
    """
    if question.said is not None:
        raise _refusal(question)
    if version != question.version:
        raise Refused("more was measured since you looked", "look at all of it, then answer")
    tx.execute(
        held.update()
        .where(held.c.id == question.id)
        .values(said=said, said_ns=now_ns, said_by=name, said_from=by, version=question.version + 1)
    )
    outbox.withdraw_question(tx, question.id)
    audit.write(tx, now_ns, who, "answer question", question.patient_id, f"question {question.id}: {said}")
    if said != "hers":
        return []
    filed: list[Reading] = []
    for stored_ns, group in _stored_of(tx, question.id).items():
        kept = file(tx, sheaf(group, stored_ns), (), stored_ns, again=True)
        filed += [] if kept is None else kept.filed.sheaf.readings()
    return filed


def home_knows_not(tx: sa.Connection, question: Question, now_ns: int) -> None:
    """Whoever was asked at home cannot tell: that is noted, and the question stays with the staff."""
    if question.said is not None:
        raise _refusal(question)
    tx.execute(held.update().where(held.c.id == question.id).values(home_unknown_ns=now_ns))
    audit.write(tx, now_ns, HOME, "answer question", question.patient_id, f"question {question.id}: does not know")


def get(tx: sa.Connection, question_id: int) -> Question | None:
    """The question of that number."""
    return next(iter(_many(tx, sa.select(held).where(held.c.id == question_id))), None)


def all_open(tx: sa.Connection, patient_ids: Sequence[str] | None = None) -> list[Question]:
    """Every open question, or those of some patients; the longest waiting first."""
    return _read(_OPEN.rows(tx, patient_ids))


def of_patient(tx: sa.Connection, patient_id: str) -> list[Question]:
    """The patient's open questions, then the latest that were answered."""
    over = sa.select(held).where(held.c.patient_id == patient_id, held.c.said.is_not(None))
    latest = over.order_by(held.c.said_ns.desc(), held.c.id.desc()).limit(ANSWERED_SHOWN)
    return [*all_open(tx, [patient_id]), *_many(tx, latest)]


def readings_of(tx: sa.Connection, question_ids: Iterable[int]) -> dict[int, list[Reading]]:
    """What is held under each question, in the order it was measured, of a weighing the weight first."""
    found: dict[int, list[Reading]] = {number: [] for number in question_ids}
    query = sa.select(held_readings).where(held_readings.c.held_id.in_(found))
    for row in tx.execute(
        query.order_by(held_readings.c.t_ns, held_readings.c.channel != "weight", held_readings.c.channel)
    ).mappings():
        found[row["held_id"]].append(_reading(row))
    return found


def unjudged(tx: sa.Connection, patient_id: str, since_ns: int) -> Weighing | None:
    """The patient's first weight, where it came since then: nothing could be said against it, and it was filed."""
    weights = series(tx, patient_id, "weight", since_ns - MEMORY_DAYS * _DAY_NS, EVER_NS[1])
    place = bisect.bisect_left(weights.t_ns, since_ns)
    if place == len(weights.t_ns):
        return None
    first_ns = weights.t_ns[place]
    if place and weights.t_ns[place - 1] >= first_ns - MEMORY_DAYS * _DAY_NS:
        return None
    return Weighing(first_ns, weights.value[place])


def _unseen(tx: sa.Connection, taken: Iterable[Reading]) -> list[Reading]:
    """Those that are stored nowhere yet, each once."""
    by_identity: dict[bytes, Reading] = {}
    for one in taken:
        by_identity.setdefault(one.identity, one)
    stored = stored_already(tx, list(by_identity.values()))
    stored.update(known(tx, held_readings, by_identity))
    return [one for identity, one in by_identity.items() if identity not in stored]


def _weight_first(one: Reading) -> tuple[int, bool, str]:
    """In the order of measurement; within a moment the weight, which decides for all that the weighing told."""
    return one.t_ns, one.channel != "weight", one.channel


def _question_of(tx: sa.Connection, one: Reading, filed: Sequence[Weighing], now_ns: int) -> Question | None:
    """The question that the reading comes under, opened if need be; None where nothing speaks against it."""
    slot = None if user_of(one.status) is None else other_user(one.status, slot_at(tx, one.device, one.t_ns))
    if slot is not None:
        return _of_slot(tx, one, slot) or _open(tx, one, Because.SLOT, now_ns, slot=slot)
    if one.channel == "weight":
        return _of_weight(tx, one, filed, now_ns)
    return _of_moment(tx, one) if one.channel in ON_A_SCALE else None


def _of_weight(tx: sa.Connection, one: Reading, filed: Sequence[Weighing], now_ns: int) -> Question | None:
    """`filed`: the person's weights that are filed together with this one."""
    own = [*_own_weights(tx, one.patient_id, one.t_ns), *filed]
    norm = usual(own, one.t_ns, _confirmed_ns(tx, one.patient_id))
    if norm is None or norm.fits(one.value):
        return None
    return _agreeing(tx, one) or _open(tx, one, Because.WEIGHT, now_ns, norm=norm)


def _own_weights(tx: sa.Connection, patient_id: str, t_ns: int) -> list[Weighing]:
    """The patient's filed weights on both sides of a moment, as many as can matter; none that the device doubts."""
    weights = series(tx, patient_id, "weight", *EVER_NS)
    columns = zip(weights.t_ns, weights.value, weights.good, strict=True)
    own = [Weighing(at_ns, kg) for at_ns, kg, good in columns if good]
    place = bisect.bisect_right(own, t_ns, key=lambda one: one.t_ns)
    return own[max(0, place - NEAREST) : place][::-1] + own[place : place + NEAREST]


def _confirmed_ns(tx: sa.Connection, patient_id: str) -> int | None:
    """When the newest weight was taken of which somebody has said that it is the patient's."""
    theirs = (held.c.patient_id == patient_id) & (held.c.said == "hers") & (held_readings.c.channel == "weight")
    theirs &= held_readings.c.identity.not_in(INVALID)
    newest = sa.select(sa.func.max(held_readings.c.t_ns)).join_from(held_readings, held).where(theirs)
    confirmed_ns: int | None = tx.scalar(newest)
    return confirmed_ns


def _of_moment(tx: sa.Connection, one: Reading) -> Question | None:
    """The question under which the weight of the same weighing is held."""
    columns = held_readings.c
    query = sa.select(held).join_from(held, held_readings).where(
        columns.patient_id == one.patient_id, columns.device == one.device, columns.t_ns == one.t_ns,
        columns.channel == "weight",
    )  # fmt: skip
    return next(iter(_many(tx, query.order_by(held.c.id.desc()).limit(1))), None)


def _of_slot(tx: sa.Connection, one: Reading, slot: int) -> Question | None:
    """The question under which another reading of the same measurement is held, or an open one about that user."""
    columns = held_readings.c
    about = (held.c.patient_id == one.patient_id) & (held.c.device == one.device) & (held.c.slot == slot)
    moment = sa.exists().where(columns.held_id == held.c.id, columns.t_ns == one.t_ns)
    query = sa.select(held).where(about, held.c.said.is_(None) | moment)
    return next(iter(_many(tx, query.order_by(moment.desc(), held.c.id.desc()).limit(1))), None)


def _agreeing(tx: sa.Connection, one: Reading) -> Question | None:
    """The open question whose own weighings this one fits: somebody has been weighed again."""
    columns = held_readings.c
    for question in all_open(tx, [one.patient_id]):
        if question.because is Because.WEIGHT and question.device == one.device:
            weighed = sa.select(columns.t_ns, columns.value).where(
                columns.held_id == question.id, columns.channel == "weight"
            )
            norm = usual([Weighing(*row) for row in tx.execute(weighed)], one.t_ns)
            if norm is not None and norm.fits(one.value):
                return question
    return None


def _open(
    tx: sa.Connection,
    one: Reading,
    because: Because,
    now_ns: int,
    *,
    slot: int | None = None,
    norm: Usual | None = None,
) -> Question:
    values = {
        "patient_id": one.patient_id, "device": one.device, "because": because, "slot": slot, "opened_ns": now_ns,
        "usual_kg": norm and norm.kg, "limit_kg": norm and norm.limit_kg, "since_ns": norm and norm.since_ns,
        "version": 0,
    }  # fmt: skip
    number = tx.execute(held.insert().values(values).returning(held.c.id)).scalar_one()
    question = get(tx, number)
    assert question is not None, "it was written a moment ago"
    return question


def _hold(tx: sa.Connection, question: Question, one: Reading, stored_ns: int) -> None:
    """Keep the reading under the question, which has changed for whoever looks at it if the weighing is new to it."""
    columns = held_readings.c
    same = (columns.held_id == question.id) & (columns.t_ns == one.t_ns)
    if not tx.scalar(sa.select(sa.literal(1)).where(same).limit(1)):
        tx.execute(held.update().where(held.c.id == question.id).values(version=held.c.version + 1))
    row = {name: getattr(one, name) for name in Reading.__struct_fields__}
    tx.execute(
        held_readings.insert().values(
            **row | {"status": " ".join(one.status)}, held_id=question.id, stored_ns=stored_ns
        )
    )


def open_questions(tx: sa.Connection) -> tuple[int, int | None]:
    """How many questions nobody has answered, and since when the oldest is open."""
    count, oldest_ns = tx.execute(
        sa.select(sa.func.count(), sa.func.min(held.c.opened_ns)).where(held.c.said.is_(None))
    ).one()
    return count, oldest_ns


def _hold_what_came_before(tx: sa.Connection, question: Question, weight: Reading, now_ns: int) -> None:
    """The rest of a weighing may have come, and have been filed, in a message before its weight's."""
    others = ON_A_SCALE - {"weight"}
    for one, stored_ns in take_back(tx, weight.patient_id, weight.device, weight.t_ns, others, now_ns):
        _hold(tx, question, one, stored_ns)


def _stored_of(tx: sa.Connection, question_id: int) -> dict[int, list[Reading]]:
    """What is held under the question, by when the server stored it."""
    found: dict[int, list[Reading]] = {}
    query = sa.select(held_readings).where(held_readings.c.held_id == question_id).order_by(held_readings.c.t_ns)
    for row in tx.execute(query).mappings():
        found.setdefault(row["stored_ns"], []).append(_reading(row))
    return found


def _refusal(question: Question) -> Refused:
    who = question.said_by if question.said_from == "staff" else None
    first = who or "the home"
    return Refused(f"{first} has answered this question", "fetch it to see the answer", who)


def _many(tx: sa.Connection, query: sa.Select[Any]) -> list[Question]:
    return _read(tx.execute(query))


def _read(rows: Iterable[sa.Row[Any]]) -> list[Question]:
    found = [row._mapping for row in rows]
    return [msgspec.convert({name: one[name] for name in Question.__struct_fields__}, Question) for one in found]


def _reading(row: sa.RowMapping) -> Reading:
    values = {name: row[name] for name in Reading.__struct_fields__}
    return Reading(**values | {"status": tuple(row["status"].split())})


_OPEN = Among(sa.select(held).where(held.c.said.is_(None)).order_by(held.c.opened_ns, held.c.id), held.c.patient_id)
