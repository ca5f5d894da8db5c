"""A dispenser's power, clock and log, and what befalls them. What it does with doses is `_dispenser_doses`.

What must survive a power cut is `Memory`; everything else is lost with the power, and a start is written as BOOT. What
goes on by itself is an agenda of (true time, act) and happens in order, so a firmware that slept ends as one that was
awake. The device's own timers die with its power; what people and fate have in mind does not.
"""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from firmware_sim.clock import UNSET_EPOCH_NS, DeviceClock
from firmware_sim.device import Battery, Happening, TruthAt
from firmware_sim.devices._dispenser_wire import ScheduledDose
from firmware_sim.devices._log import Log, Moment, Type
from firmware_sim.noise import share
from vitals.clock import MS, NS

MAGAZINE = 28
TIME_CRITICAL, ON_BATTERY, CLOCK_NOT_TRUSTED = 1, 2, 4
LOW_PERCENT = 15
POWER_ON, BROWN_OUT = 1, 2
"""Reset causes."""

_BY_FORCE = 1
"""A maker's code of TAMPER."""

Act = Callable[[], list[Happening]]


class StoredOrder(msgspec.Struct):
    """An order whose id is in memory, for ever or until nobody can ask for it. `seq`: the entry of its outcome."""

    id: int
    kind: int = 0
    compartment: int = 0
    dose_id: int = 0
    state: int = 0
    reason: int = 0
    seq: int = 0
    ended: Moment | None = None


class Memory(msgspec.Struct):
    """What a power cut leaves: the log, the schedule, the doses inside, how often it has started, and its orders."""

    log: Log
    schedule: tuple[ScheduledDose, ...] = ()
    inside: int = MAGAZINE
    boots: int = 0
    orders: list[StoredOrder] = []
    locked: bool = False


class Habit(msgspec.Struct, frozen=True):
    """What the person does: takes a dose out within `within_s` of DUE, until `until_ns` (None: always).

    Of the doses, `early_share` are taken out `early_min` before their time and `delay_share` put off by `delay_min`
    (shares from 0 to 1). `confirms`: the button is pressed once the dose is out.
    """

    within_s: float = 720
    until_ns: int | None = None
    confirms: bool = False
    early_share: float = 0
    early_min: int = 30
    delay_share: float = 0
    delay_min: int = 30


class Trouble(msgspec.Struct, frozen=True):
    """What befalls the device, in true time. By default nothing does.

    `jam_ns`: the next dose after it gets stuck, until somebody clears it `jam_cleared_after_s` later. `tamper_ns`: it
    is opened by force. `mains_off_ns`: from when to when it runs on its battery. `clock_lost_ns`: its clock loses the
    time, until somebody sets it. `power_cut_ns`: it loses all power for a moment and starts anew.
    """

    jam_ns: tuple[int, ...] = ()
    jam_cleared_after_s: float = 7200
    tamper_ns: tuple[int, ...] = ()
    mains_off_ns: tuple[tuple[int, int], ...] = ()
    clock_lost_ns: tuple[int, ...] = ()
    power_cut_ns: tuple[int, ...] = ()


def _nothing(step: str) -> None:
    """Nobody looks on."""


class Core:
    """Time, power and log. `t_ns` is when it is switched on, `silent_ns` when its power fails for good (None: never).

    `step` is called by name after each thing an order leaves behind, in memory or in the world. A test that raises from
    it has cut the power there: a new firmware with the same memory is what comes after.
    """

    def __init__(
        self,
        t_ns: int,
        *,
        seed: int,
        serial: str,
        clock: DeviceClock,
        battery: Battery,
        memory: Memory,
        habit: Habit = Habit(),  # noqa: B008 (frozen)
        trouble: Trouble = Trouble(),  # noqa: B008 (frozen)
        silent_ns: int | None = None,
        step: Callable[[str], None] = _nothing,
    ) -> None:
        self.memory = memory
        self.serial = serial.encode("ascii")
        self.boot_id = 0
        self._clock = clock
        self._seed = seed
        self._battery = battery
        self._habit = habit
        self._trouble = trouble
        self._silent_ns = silent_ns
        self._step = step
        self._start_ns = self._now_ns = t_ns
        self._timers: list[tuple[int, Act]] = []
        self._fate = sorted(self._befalls(t_ns), key=lambda entry: entry[0])

    def _start(self, cause: int) -> None:
        """Power comes; whatever was not in memory is gone."""
        self._timers.clear()
        self._start_ns = self._now_ns
        self.memory.boots += 1
        self.boot_id = int(share(self._seed, "boot", self.memory.boots, self._now_ns) * 0xFFFF_FFFE) + 1
        self._write(Type.BOOT, value=cause)

    # Time

    @property
    def alive(self) -> bool:
        """Whether it has power."""
        return self._silent_ns is None or self._now_ns < self._silent_ns

    @property
    def wake_ns(self) -> int | None:
        if not self.alive:
            return None
        return min((t for t, _ in self._agenda()), default=None)

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        """The truth of the body is nothing to a dispenser; the argument is there for all devices alike."""
        happenings: list[Happening] = []
        while self.alive:
            moment, act = min(self._agenda(), key=lambda entry: entry[0], default=(t_ns + 1, None))
            if moment > t_ns or act is None:
                break
            self._now_ns = max(self._now_ns, moment)
            happenings.extend(act())
        self._now_ns = max(self._now_ns, t_ns)
        return happenings

    def meet(self, t_ns: int) -> None:
        """Somebody speaks to it at `t_ns`. Call `update` to `t_ns` first."""
        self._now_ns = max(self._now_ns, t_ns)

    def _agenda(self) -> Iterator[tuple[int, Act]]:
        """Everything that will happen of itself, as (true time, what)."""
        if self._silent_ns is not None:
            yield self._silent_ns, lambda: [self._saw("fell silent")]
        for waiting in (self._fate, self._timers):
            for entry in waiting:
                yield entry[0], partial(self._fire, waiting, entry)

    def _fire(self, waiting: list[tuple[int, Act]], entry: tuple[int, Act]) -> list[Happening]:
        waiting.remove(entry)
        return entry[1]()

    def _saw(self, what: str, **data: int | float | str) -> Happening:
        return Happening(self._now_ns, what, data)

    # What befalls it

    def _befalls(self, t_ns: int) -> Iterator[tuple[int, Act]]:
        """What happens to it after `t_ns`; a trouble from before it was switched on is over."""
        trouble = self._trouble
        lost, back = (tuple(span[end] for span in trouble.mains_off_ns) for end in (0, 1))
        acts: tuple[tuple[tuple[int, ...], Act], ...] = (
            (trouble.tamper_ns, partial(self._befell, Type.TAMPER, _BY_FORCE, "forced open")),
            (lost, partial(self._befell, Type.MAINS_LOST, 0, "mains lost")),
            (back, partial(self._befell, Type.MAINS_RESTORED, 0, "mains back")),
            (trouble.clock_lost_ns, self._lose_clock),
            (trouble.power_cut_ns, self._cut_power),
            (tuple(self._battery_low_ns(t_ns)), self._battery_is_low),
        )
        yield from ((when_ns, act) for times, act in acts for when_ns in times if when_ns >= t_ns)

    def _befell(self, type_: Type, value: int, what: str) -> list[Happening]:
        self._write(type_, value=value)
        return [self._saw(what)]

    def _lose_clock(self) -> list[Happening]:
        self._clock.set(self._now_ns, UNSET_EPOCH_NS)
        self._clock.is_set = False
        return self._befell(Type.CLOCK_UNSET, 0, "clock lost")

    def _cut_power(self) -> list[Happening]:
        self._start(BROWN_OUT)
        return [self._saw("power cut")]

    def _battery_is_low(self) -> list[Happening]:
        return self._befell(Type.BATTERY_LOW, self.charge, "battery low")

    def _battery_low_ns(self, t_ns: int) -> Iterator[int]:
        """When the charge falls to LOW_PERCENT, if that is still to come."""
        high_ns, low_ns = t_ns, self._battery.empty_ns
        if self._battery.level(high_ns) <= LOW_PERCENT:
            return
        while low_ns - high_ns > NS:
            middle_ns = (high_ns + low_ns) // 2
            if self._battery.level(middle_ns) > LOW_PERCENT:
                high_ns = middle_ns
            else:
                low_ns = middle_ns
        yield low_ns

    # The log

    def _write(self, type_: Type, dose: ScheduledDose | None = None, value: int = 0) -> None:
        critical = dose.flags & TIME_CRITICAL if dose else 0
        self.memory.log.write(
            self._moment(),
            type_,
            compartment=dose.compartment if dose else 0,
            dose_id=dose.dose_id if dose else 0,
            count=dose.count if dose else 0,
            flags=self._flags() | critical,
            value=value,
        )

    def _flags(self) -> int:
        on_battery = any(lost <= self._now_ns < back for lost, back in self._trouble.mains_off_ns)
        return (0 if self._clock.is_set else CLOCK_NOT_TRUSTED) | (ON_BATTERY if on_battery else 0)

    def _moment(self) -> Moment:
        return Moment(self.boot_id, self.utc, self.uptime_ms)

    @property
    def utc(self) -> int:
        """What its calendar shows, in seconds; 0 while it was never set."""
        return self._clock.read_ns(self._now_ns) // NS if self._clock.is_set else 0

    @property
    def calendar_ns(self) -> int:
        """What its calendar shows, set or not."""
        return self._clock.read_ns(self._now_ns)

    @property
    def uptime_ms(self) -> int:
        return (self._now_ns - self._start_ns) // MS & 0xFFFF_FFFF

    @property
    def charge(self) -> int:
        """Whole percent."""
        return self._battery.level(self._now_ns)
