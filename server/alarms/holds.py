"""Setting an alarm aside and leaving it with somebody, purely: the deeds of people between acknowledging and closing.

Who has an alarm may assess it, snooze it, hand it over or escalate it to somebody. What another has is theirs: whoever
is second is told who. Each of these ends by a time, at which nobody has it any more and the ladder climbs on.
"""

import msgspec

from server.alarms.model import TAKEN, Alarm, Deed, Parked, Refused, State, To, after, refusal
from server.escalation.model import rest
from vitals.alarm import Level
from vitals.clock import NS

SNOOZE_MOST_S = 8 * 3600.0
"""No snooze is longer: after a shift somebody looks again."""

REOPEN_S = 24 * 3600.0
"""So long after closing can it be opened again; later, what is found is a new alarm (check)."""

TAKE_S: dict[Level, float] = {Level.HIGH: 600.0, Level.MEDIUM: 1800.0, Level.LOW: 7200.0}
"""By its level, how long a hand-over waits to be taken before it goes back and the ladder climbs (check)."""

OPEN_S: dict[Level, float] = {Level.HIGH: 900.0, Level.MEDIUM: 3600.0, Level.LOW: 4 * 3600.0}
"""How long a case waits to be opened before the ladder climbs (check; RCP 2017: urgent review within 60 min, emergency
within 30, of which the answer has the rest)."""

ANSWER_S: dict[Level, float] = {Level.HIGH: 900.0, Level.MEDIUM: 3600.0, Level.LOW: 4 * 3600.0}
"""How long it then waits for the answer (check)."""


def undo(alarm: Alarm, name: str, now_ns: int) -> Alarm:
    """`name` takes back their own acknowledgement: everything is as if it had not been, its times included.

    Raises Refused for a colleague's, and once it is too late.
    """
    state = after(alarm, Deed.UNDO)
    if alarm.acknowledged_by != name:
        raise refusal(alarm, Deed.UNDO)
    was = alarm.before
    if was is None or now_ns > was.until_ns:
        raise Refused(
            "it is too late to undo this acknowledgement", "hand it over, or escalate it", name, alarm.state.value
        )
    return msgspec.structs.replace(
        alarm, state=state, acknowledged_by=None, acknowledged_ns=None, expires_ns=was.expires_ns, climb=was.climb,
        parked=was.parked, before=None,
    )  # fmt: skip


def assess(alarm: Alarm, name: str, now_ns: int, expires_s: float, cause: str) -> Alarm:
    """`name`, who has it, says what it comes from, and has it for as long again."""
    state = after(_own(alarm, name, Deed.ASSESS), Deed.ASSESS)
    expires_ns = now_ns + round(expires_s * NS)
    return msgspec.structs.replace(alarm, state=state, cause=cause, expires_ns=expires_ns, before=None)


def snooze(alarm: Alarm, by_id: str, name: str, now_ns: int, for_s: float, why: str) -> Alarm:
    """Inactivated until a time, for a reason. Raises ValueError for no reason, or a time beyond SNOOZE_MOST_S."""
    if not 0 < for_s <= SNOOZE_MOST_S or not why.strip():
        raise ValueError(f"a snooze needs a reason and a time of up to {SNOOZE_MOST_S:.0f} s")
    state = after(_own(alarm, name, Deed.SNOOZE), Deed.SNOOZE)
    return _park(alarm, state, Parked(by_id, name, now_ns, why), now_ns, for_s)


def hand_over(alarm: Alarm, by_id: str, name: str, now_ns: int, to: To, note: str) -> Alarm:
    """`name`, who has it, leaves it with `to`, who must take it within TAKE_S."""
    state = after(_own(alarm, name, Deed.HAND_OVER), Deed.HAND_OVER)
    return _park(alarm, state, Parked(by_id, name, now_ns, note, to), now_ns, TAKE_S[alarm.level])


def send(alarm: Alarm, by_id: str, name: str, now_ns: int, to: To, case: int) -> Alarm:
    """It is escalated to `to` as that case, to be opened within OPEN_S."""
    state = after(_own(alarm, name, Deed.SEND), Deed.SEND)
    return _park(alarm, state, Parked(by_id, name, now_ns, to=to, case=case), now_ns, OPEN_S[alarm.level])


def opened(alarm: Alarm, case: int, now_ns: int) -> Alarm:
    """The case has been opened: there is time for the answer. The same alarm if it is not that case's any more."""
    if not is_case(alarm, case):
        return alarm
    return msgspec.structs.replace(alarm, expires_ns=now_ns + round(ANSWER_S[alarm.level] * NS))


def give_back(alarm: Alarm, now_ns: int, expires_s: float) -> Alarm:
    """Answered: whoever escalated it has it again."""
    state = after(alarm, Deed.GIVE_BACK)
    sender = alarm.parked.by if alarm.parked else None
    return _taken(alarm, state, sender, now_ns, expires_s)


def take_over(alarm: Alarm, sender: str, name: str, now_ns: int, expires_s: float) -> Alarm:
    """`name` takes it from `sender`, who had escalated it and has it again since; raises Refused for anybody else's."""
    return _taken(_own(alarm, sender, Deed.TAKE_OVER), after(alarm, Deed.TAKE_OVER), name, now_ns, expires_s)


def reopen(alarm: Alarm, name: str, now_ns: int, expires_s: float) -> Alarm:
    """`name` has a closed alarm again, with all it says. Raises Refused for an open one, or after REOPEN_S."""
    state = after(alarm, Deed.REOPEN)
    if alarm.closed_ns is None or now_ns - alarm.closed_ns > REOPEN_S * NS:
        raise Refused(
            f"it is more than {REOPEN_S / 3600:.0f} h since this alarm was closed",
            "write what you know on the patient's newest alarm; what the rules find now is a new one",
            alarm.closed_by, alarm.state.value,
        )  # fmt: skip
    ended = msgspec.structs.replace(
        alarm, closed_by=None, closed_ns=None, action=None, outcome=None, usefulness=None, note=None,
        quiet_until_ns=None,
    )  # fmt: skip
    return _taken(ended, state, name, now_ns, expires_s)


def is_case(alarm: Alarm, case: int) -> bool:
    """Whether it waits for the answer to that case."""
    return alarm.state is State.SENT and alarm.parked is not None and alarm.parked.case == case


def unheard(alarm: Alarm, telling: str, now_ns: int) -> Alarm:
    """Nobody could be told what was left with them: that is over now. The same alarm if it is about something else."""
    if alarm.parked is None or telling != told_by(alarm.parked):
        return alarm
    return msgspec.structs.replace(alarm, expires_ns=now_ns)


def told_by(parked: Parked) -> str:
    """What the message is called by which those it was left with are told."""
    return f"hand.{parked.since_ns}" if parked.case is None else f"case{parked.case}"


def _own(alarm: Alarm, name: str, deed: Deed) -> Alarm:
    """The alarm, unless a colleague has it; raises Refused that names them."""
    if alarm.state in TAKEN and alarm.acknowledged_by != name:
        raise refusal(alarm, deed)
    return alarm


def _park(alarm: Alarm, state: State, parked: Parked, now_ns: int, for_s: float) -> Alarm:
    return msgspec.structs.replace(
        alarm, state=state, acknowledged_by=None, acknowledged_ns=None, before=None, parked=parked,
        expires_ns=now_ns + round(for_s * NS), climb=rest(alarm.climb),
    )  # fmt: skip


def _taken(alarm: Alarm, state: State, name: str | None, now_ns: int, expires_s: float) -> Alarm:
    return msgspec.structs.replace(
        alarm, state=state, acknowledged_by=name, acknowledged_ns=now_ns, expires_ns=now_ns + round(expires_s * NS),
        climb=rest(alarm.climb), parked=None, before=None,
    )  # fmt: skip
