"""A shift gathered for whoever comes on: what is open, what happened, what was written."""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from server.access.scopes import Scope
from server.access.store import Account
from server.alarms import table
from server.alarms.model import Alarm, State
from server.alarms.timeline import timeline
from server.api import PatientBrief, Text
from server.handover import notes
from server.handover.api import Handover, HandoverAlarm, HandoverDeed, HandoverRoster, NoteView, Team
from server.handover.notes import Note
from server.oncall import store as oncall
from server.oncall.model import ROLES, Kept
from server.oncall.plan import Stretch, stretches
from server.oncall.views import yours
from server.patients.programmes import Programmes
from server.patients.store import patients_of
from server.patients.views import brief
from vitals.clock import MS, NS

AROUND_NS = 15 * 86_400 * NS
"""A shift is looked for this far on either side; one that is longer is cut there."""

UNROSTERED_NS = 8 * 3600 * NS

LIES = {State.SNOOZED: "snoozed", State.HANDED: "handed_over", State.SENT: "sent"}
"""The timeline's word for how an alarm came to lie with somebody."""
MOVES = (*LIES.values(), "escalated", "acknowledged", "answered", "expired", "disturbed", "worse", "undone", "reopened")
"""Its words for what changes who has an alarm."""


def handover(
    tx: sa.Connection, programmes: Programmes, account: Account, sight: Scope, roster_id: str, t_ns: int, now_ns: int
) -> Handover | None:
    """The shift of that roster at `t_ns`, of those patients whom the account may see; None where there is none such.

    A role is asked for by name: its first roster, or without one the hours before `t_ns`.
    """
    around = oncall.kept(tx, t_ns - AROUND_NS, t_ns + AROUND_NS)
    rosters = [one for one in around if yours(account, sight.keeps, one.newest)]
    kept = _asked(rosters, roster_id)
    if kept is None and roster_id not in ROLES:
        return None
    shift, before, after = _teams(kept, t_ns)
    from_ns, to_ns = shift.since_ns, shift.until_ns
    within, still = table.between(tx, from_ns, to_ns), table.all_open(tx)
    under = {kept.newest.id, kept.newest.role} if kept else {roster_id}
    written = [one for one in notes.between(tx, under, from_ns, to_ns) if _readable(one, account, sight)]
    deeds = _deeds(tx, from_ns, to_ns)
    about = {one.patient_id for one in [*within, *still]} | {one.patient_id for one in written if one.patient_id}
    about |= {row.patient_id for row in deeds}
    people = {one.id: brief(one, programmes) for one in patients_of(tx, {one for one in about if one in sight})}
    aside = _aside(tx, still)
    called = oncall.names(tx, [name for one in (shift, before, after) if one for name in one.staff])
    worst_first = sorted(still, key=lambda one: (-one.level, one.raised_ns))
    return Handover(
        roster=kept.newest.id if kept else roster_id, name=kept.newest.name if kept else roster_id,
        rostered=kept is not None and shift.kept,
        now_ms=now_ns // MS, shift=_team(shift, called), before=_team(before, called) if before else None,
        after=_team(after, called) if after else None, rosters=_rosters(rosters),
        open=[_alarm(one, people, aside.get(one.id)) for one in worst_first if one.patient_id in people],
        raised=[_alarm(one, people) for one in within if from_ns <= one.raised_ns < to_ns and one.patient_id in people],
        closed=[_alarm(one, people) for one in within if _closed(one, from_ns, to_ns) and one.patient_id in people],
        deeds=[_deed(row, people) for row in deeds if row.patient_id in people],
        notes=[note(one, people) for one in written],
    )  # fmt: skip


def note(one: Note, people: Mapping[str, PatientBrief]) -> NoteView:
    """A signed note."""
    about = people.get(one.patient_id) if one.patient_id else None
    return NoteView(id=str(one.id), t_ms=one.t_ns // MS, name=one.name, patient=about, text=one.text)


def _asked(rosters: Sequence[Kept], roster_id: str) -> Kept | None:
    """The roster of that id, or the first that is kept for the role of that name."""
    named = [one for one in rosters if one.newest.id == roster_id]
    kept = [one for one in [*named, *rosters] if one.newest.kept and roster_id in (one.newest.id, one.newest.role)]
    return next(iter([*kept, *named]), None)


def _readable(one: Note, account: Account, sight: Scope) -> bool:
    """A note about somebody is for whoever may see them; one about nobody, for the organisation it was written in."""
    return one.organisation == account.organisation if one.patient_id is None else one.patient_id in sight


def _teams(kept: Kept | None, t_ns: int) -> tuple[Stretch, Stretch | None, Stretch | None]:
    """Who is on at `t_ns`, who was before, who comes after."""
    laid_out = stretches(kept, t_ns - AROUND_NS, t_ns + AROUND_NS) if kept else []
    place = next((n for n, one in enumerate(laid_out) if one.since_ns <= t_ns < one.until_ns), None)
    if place is None or not laid_out[place].kept:
        return Stretch(t_ns - UNROSTERED_NS, t_ns + NS, (), kept=False), None, None
    before = laid_out[place - 1] if place and laid_out[place - 1].kept else None
    after = laid_out[place + 1] if place + 1 < len(laid_out) and laid_out[place + 1].kept else None
    return laid_out[place], before, after


def _team(one: Stretch, called: Mapping[str, str]) -> Team:
    return Team(from_ms=one.since_ns // MS, to_ms=one.until_ns // MS, names=[called[name] for name in one.staff])


def _rosters(kept: Iterable[Kept]) -> list[HandoverRoster]:
    """Those that are kept, and nurses and doctors where none is."""
    found = [HandoverRoster(id=one.newest.id, name=one.newest.name) for one in kept if one.newest.kept]
    there = {one.newest.role for one in kept if one.newest.kept}
    return found + [HandoverRoster(id=role, name=role) for role in ("nurse", "doctor") if role not in there]


def _deeds(tx: sa.Connection, from_ns: int, to_ns: int) -> list[sa.Row[tuple[object, ...]]]:
    """What people did to alarms between two moments; what people were told is not of it."""
    columns = timeline.c
    query = sa.select(timeline, table.alarms.c.patient_id).join(table.alarms, table.alarms.c.id == columns.alarm_id)
    within = (columns.t_ns >= from_ns) & (columns.t_ns < to_ns) & columns.who.is_not(None)
    done = columns.what.not_in(["told", "delivered", "undelivered"])
    return list(tx.execute(query.where(within, done).order_by(columns.t_ns, columns.id)))


def _aside(tx: sa.Connection, still: Iterable[Alarm]) -> dict[int, Text]:
    """How each of these alarms was put off or sent on, where that still stands: one whose time is out is nobody's."""
    columns = timeline.c
    query = sa.select(timeline).where(columns.alarm_id.in_([one.id for one in still]), columns.what.in_(MOVES))
    by_word: dict[tuple[int, str], sa.Row[tuple[object, ...]]] = {}
    newest: dict[int, sa.Row[tuple[object, ...]]] = {}
    for row in tx.execute(query.order_by(columns.id)):
        by_word[row.alarm_id, row.what] = newest[row.alarm_id] = row
    found: dict[int, Text] = {}
    for one in still:
        word = LIES.get(one.state, "escalated")
        how = by_word.get((one.id, word))
        if how is not None and (one.state in LIES or how is newest[one.id]):
            found[one.id] = Text(nb=how.nb, en=how.en)
    return found


def _closed(alarm: Alarm, from_ns: int, to_ns: int) -> bool:
    return alarm.closed_ns is not None and from_ns <= alarm.closed_ns < to_ns


def _alarm(alarm: Alarm, people: Mapping[str, PatientBrief], aside: Text | None = None) -> HandoverAlarm:
    why = alarm.reasons[0].text if alarm.reasons else None
    return HandoverAlarm(
        id=str(alarm.id), patient=people[alarm.patient_id], kind=alarm.kind, priority=alarm.priority,
        state=alarm.state.value, owner=alarm.acknowledged_by, why=Text(nb=why["nb"], en=why["en"]) if why else None,
        raised_ms=alarm.raised_ns // MS, closed_ms=None if alarm.closed_ns is None else alarm.closed_ns // MS,
        closed_by=alarm.closed_by, action=alarm.action, outcome=alarm.outcome, note=alarm.note or None, aside=aside,
    )  # fmt: skip


def _deed(row: sa.Row[tuple[object, ...]], people: Mapping[str, PatientBrief]) -> HandoverDeed:
    told = row._mapping
    return HandoverDeed(
        t_ms=told["t_ns"] // MS, alarm=str(told["alarm_id"]), patient=people[told["patient_id"]].name,
        what=told["what"], who=told["who"], text=Text(nb=told["nb"], en=told["en"]),
    )  # fmt: skip
