"""The window on chosen patients, out of the state: the same arrays that `triage.grid.window` makes from samples.

A ring shows the newest samples up to now, no older than the rules want. Whether that is all there is, is known: a ring
that left nothing out and was told everything since before the window has it all, and so has one with as many samples
as are asked for. Otherwise whoever keeps all samples is asked for just those patients and names (`ask`), and their
parts are made by `triage.grid` itself.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.contract import NEVER, Bools, Floats, Rule, Series, Times, Window
from triage.grid import Need, Part, Samples, assembled, needs, ordered, part
from triage.state.rings import NEWEST, Rings, Slots
from triage.state.table import State
from vitals.clock import NS

Rows = NDArray[np.intp]

Lacking = Callable[[str, Need, Rows], Samples]
"""Asked for a name, what is needed of it, and the places of the patients among those asked for, gives their samples:
`name` all 0, `patient` counting in the order of these places."""


def window(
    state: State, now_ns: int, rows: Rows, rules: Sequence[Rule], limit: Mapping[str, Floats], ask: Lacking
) -> Window:
    """The window of `rules` on the patients in `rows` [P] at `now_ns`; `limit` has the limits [P] (`grid.limits_of`).

    Raises ValueError if the rules look at what the state was not made for.
    """
    wanted = needs(rules)
    for name, need in wanted.items():
        if not state.serves(name, need):
            raise ValueError(f"the state was not made for rules that need {need} of {name!r}")
    state.make_courses([name for name, need in wanted.items() if need.course], rows)
    parts = {name: part_of(state, now_ns, rows, name, need, ask) for name, need in wanted.items()}
    return assembled(now_ns, len(rows), rules, parts, limit)


def part_of(state: State, now_ns: int, rows: Rows, name: str, need: Need, ask: Lacking) -> Part:
    """One name's part of the window, for a need that the state `serves`."""
    rings, slots, size = state.rings, state.slots(name, rows), state.size_of[name]
    since_ns = now_ns - round(need.window_s * NS) if need.window_s else NEVER
    told_ns = state.people.since_ns(name, rows)
    heads = rings.heads(slots)
    series, trusted = _newest(rings, slots, size, need.samples)
    ahead = np.flatnonzero(heads[:, NEWEST] > now_ns)  # Samples whose time is yet to come: of few patients, if any.
    if len(ahead):
        _without_future(rings, slots[ahead], size, ahead, series, trusted, now_ns)
    cut = rings.cut(slots, size) & (rings.oldest_ns(slots, size) >= since_ns)
    lacking = _lacking(cut, series, told_ns, since_ns)
    if need.window_s:
        _blank(series, trusted, (series.t_ns < since_ns) & (series.t_ns != NEVER))
    track = None
    if need.course:
        seen = state.track(name, rows)
        lacking |= (seen.t_ns > now_ns) | (told_ns > now_ns - 2 * course.REACH_NS)
        track = course.current(now_ns, seen)
    asked = np.flatnonzero(lacking)
    if len(asked):
        _fill(
            Part(series, trusted, track),
            asked,
            part(ordered(ask(name, need, asked)), 0, name, need, now_ns, len(asked)),
        )
    return Part(series, trusted, track)


def _newest(rings: Rings, slots: Slots, size: int, samples: int) -> tuple[Series, Bools]:
    have = np.flatnonzero(slots)  # Of most names most patients have nothing at all.
    series = Series(np.full((len(slots), samples), NEVER), np.full((len(slots), samples), np.nan))
    trusted = np.zeros((len(slots), samples), np.bool_)
    if len(have):
        t_ns, value, good = rings.samples(slots[have], size, samples)
        series.t_ns[have], series.value[have], trusted[have] = t_ns.T, value.T, good.T
    return series, trusted


def _without_future(
    rings: Rings, slots: Slots, size: int, rows: Rows, series: Series, trusted: Bools, now_ns: int
) -> None:
    """The newest up to now, of the few of whom there are later ones, too."""
    whole, good = _newest(rings, slots, size, size)
    come = (whole.t_ns <= now_ns) & (whole.t_ns != NEVER)
    samples = series.t_ns.shape[1]
    _blank(Series(series.t_ns, series.value), trusted, _row_mask(series.t_ns.shape, rows))
    place = np.cumsum(come[:, ::-1], axis=1)[:, ::-1]  # 1 is the newest that has come
    kept = come & (place <= samples)
    one, column = np.nonzero(kept)
    where = rows[one], samples - place[one, column]
    series.t_ns[where], series.value[where] = whole.t_ns[one, column], whole.value[one, column]
    trusted[where] = good[one, column]


def _lacking(cut: Bools, series: Series, told_ns: Times, since_ns: np.int64 | int) -> Bools:
    """Of whom there may be samples in the window that the ring does not have. `cut`: it left some of the window out."""
    oldest_ns = series.t_ns[:, 0]
    enough = oldest_ns >= np.maximum(told_ns, since_ns + 1 if since_ns == NEVER else since_ns)
    lacking: Bools = ~(enough | ((told_ns <= since_ns) & ~cut))
    return lacking


def _blank(series: Series, trusted: Bools, where: Bools) -> None:
    if where.any():
        series.t_ns[where], series.value[where], trusted[where] = NEVER, np.nan, False


def _row_mask(shape: tuple[int, ...], rows: Rows) -> Bools:
    mask = np.zeros(shape, np.bool_)
    mask[rows] = True
    return mask


def _fill(whole: Part, rows: Rows, told: Part) -> None:
    """Put what was asked for in its place."""
    whole.series.t_ns[rows], whole.series.value[rows] = told.series.t_ns, told.series.value
    whole.trusted[rows] = told.trusted
    for name, column in (vars(whole.track) if whole.track else {}).items():
        column[rows] = vars(told.track)[name]
