"""A medicine dispenser that cannot do its work.

Source: the event log of docs/reference/dispenser-protocol.md, section 1. What mends what: a dose that is presented or
retrieved ends a jam and a failed dispensing, a refill ends emptiness; tampering has no end of its own and stands for
a day (check). A mechanical trouble always comes before a missed dose, so it is worth a nurse's time (MEDIUM).
"""

import numpy as np

from triage.contract import NEVER, Finding, Times, Window, levels, rule
from triage.look import age_s
from vitals.alarm import Kind, Level

MOVED = ("dispenser.presented", "dispenser.retrieved")
ENDED_BY = {"jam": MOVED, "dispense_fail": MOVED, "empty": ("dispenser.refill",), "tamper": ()}
TAMPER_STANDS_S = 86_400.0


@rule(
    version="1",
    kind=Kind.TECHNICAL,
    title={"nb": "Feil på medisindispenseren", "en": "Trouble with the medicine dispenser"},
    events=(*(f"dispenser.{trouble}" for trouble in ENDED_BY), *MOVED, "dispenser.refill"),
    limits={"dispenser_fresh_s": 172_800.0},
    bounds={"dispenser_fresh_s": (3_600.0, 604_800.0)},
    window_s=604_800,
    samples=1,
    text={
        "nb": "Medisindispenser:[ fastkjørt for {jam_h:wait} siden,][ kunne ikke gi dose for {dispense_fail_h:wait}"
        " siden,][ tom for {empty_h:wait} siden,][ åpnet med makt eller flyttet for {tamper_h:wait} siden,]",
        "en": "Medicine dispenser:[ jammed {jam_h:wait} ago,][ failed to dispense {dispense_fail_h:wait} ago,]"
        "[ empty since {empty_h:wait} ago,][ forced open or moved {tamper_h:wait} ago,]",
    },
    unknown={
        "nb": "Medisindispenser: ingen hendelser den siste tiden",
        "en": "Medicine dispenser: no events lately",
    },
)
def dispenser_trouble(w: Window) -> Finding:
    """A trouble of the last week that nothing has ended MEDIUM; CALM needs a sign of life within `dispenser_fresh_s`.

    `because`: hours since each standing trouble, `jam_h` and so on (NaN: none). Source: see the module.
    """
    since = {f"{trouble}_h": age_s(w.now_ns, _standing(w, trouble)) / 3600 for trouble in ENDED_BY}
    newest_ns = np.max([w.event[name].t_ns[:, -1] for name in dispenser_trouble.events], axis=0)
    level = levels(w.patients)
    level[age_s(w.now_ns, newest_ns) <= w.limit["dispenser_fresh_s"]] = Level.CALM
    level[~np.isnan(list(since.values())).all(axis=0)] = Level.MEDIUM
    level[np.isnan(w.limit["dispenser_fresh_s"])] = Level.UNKNOWN
    return Finding(level, since)


def _standing(w: Window, trouble: str) -> Times:
    """When the trouble began [P], NEVER where there is none or it has ended."""
    began: Times = w.event[f"dispenser.{trouble}"].t_ns[:, -1]
    ended = [w.event[name].t_ns[:, -1] > began for name in ENDED_BY[trouble]]
    if trouble == "tamper":
        ended.append(age_s(w.now_ns, began) > TAMPER_STANDS_S)
    return np.where(np.any(ended, axis=0), NEVER, began)
