"""A continuous glucose monitor: Continuous Glucose Monitoring Service (181F) 1.0.1, worn for a session of days.

Every five minutes it makes a record (2AA7): size, flags, mg/dL (SFLOAT), minutes since the session began (u16), up to
three octets of status, trend (SFLOAT, mg/dL a minute), CRC. Of the status octets only those that say something are
there, in the order status, calibration and temperature, warning; the flags tell which. Records that were kept come on
request (`_racp.py`, whose filter compares the minutes), as many in a notification as fit into 20 bytes; one made while
a central listens comes by itself.

When the session began stands in 2AAA as its first collector wrote it: local time, time zone and daylight saving in
quarters of an hour. The monitor has no clock of its own, only a count, so a telephone's clock that was wrong then stays
wrong (`Session.start_off_s`), and one that was not set leaves the date out. 2AA9 says how many minutes ago that is, and
the three status octets. The CRC (E2E-CRC: CRC-16 with the polynomial 1021 reflected, start FFFF) ends every record and
both of these; in the features (2AA8) it covers them.

After SESSION_DAYS the sensor is spent. A new one is a new session: its minutes start again, and what was kept is gone.
Calibration and the control point for it (2AAC) are left out; nothing here needs them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from firmware_sim.body import DAY_NS, Truth
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Can, Happening, Pipe, Send, TruthAt
from firmware_sim.devices import _gatt, _racp
from firmware_sim.devices._spot import Record
from firmware_sim.kinds import Kind, Making
from firmware_sim.noise import swing
from firmware_sim.routine import Routine
from vitals.clock import NS

SERVICE = "181f"
MEASUREMENT, FEATURES, STATUS, START, RUN_TIME = "2aa7", "2aa8", "2aa9", "2aaa", "2aab"

HAS_TREND, HAS_WARNING, HAS_CALIBRATION, HAS_STATUS = 0x01, 0x20, 0x40, 0x80
SESSION_STOPPED, BATTERY_LOW, BELOW_HYPO, ABOVE_HYPER = 1 << 0, 1 << 1, 1 << 18, 1 << 19
INTERSTITIAL, SUBCUTANEOUS = 9, 5
CRC_SUPPORTED, TREND_SUPPORTED, LOW_BATTERY_DETECTED = 1 << 12, 1 << 15, 1 << 9
ZONE_QUARTERS, DAYLIGHT_QUARTERS = 4, 0
"""Norway in winter."""

EVERY_MIN, SESSION_DAYS = 5, 14
MOST = 20
UNKNOWN_DATE = bytes(7)
_MINUTE_NS = 60 * NS
_LOW_PERCENT = 10
_HYPO_MMOL, _HYPER_MMOL = 3.9, 13.9
_GRAMS_PER_MOL = 180.156


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked of a monitor: how far wrong the clock was that wrote when the session began."""

    start_off_s: float = 0


class Wearing(Routine):
    """From the first moment of a habit on, every five minutes of the sensor's own count, session after session."""

    def __init__(self, seed: int, habit: Routine, clock: DeviceClock) -> None:
        self.began_ns = habit.next_ns(habit.first_ns - 1)
        super().__init__(seed, habit.first_ns if self.began_ns is None else self.began_ns, until_ns=habit.until_ns)
        self._clock = clock

    def next_ns(self, after_ns: int) -> int | None:
        if self.began_ns is None:
            return None
        passed_ns = self._clock.read_ns(max(after_ns, self.began_ns)) - self._clock.read_ns(self.began_ns)
        count = passed_ns // (EVERY_MIN * _MINUTE_NS)
        while (moment := self.moment_ns(count)) <= after_ns:
            count += 1
        return None if self.until_ns is not None and moment >= self.until_ns else moment

    def moment_ns(self, count: int) -> int:
        """When the sensor has counted that many intervals."""
        assert self.began_ns is not None
        return self._clock.true_ns(self._clock.read_ns(self.began_ns) + count * EVERY_MIN * _MINUTE_NS)


class Cgm(_racp.StoredDevice):
    """The firmware. Of its `clock` only the drift counts, and whether it was set."""

    name = "SimCgm"
    model = "SimCgm 1"
    advertised = (SERVICE,)
    measurement = MEASUREMENT
    needed = frozenset((MEASUREMENT, _racp.PIPE))
    pipes = (
        Pipe(SERVICE, MEASUREMENT, Can.NOTIFY),
        Pipe(SERVICE, FEATURES, Can.READ),
        Pipe(SERVICE, STATUS, Can.READ),
        Pipe(SERVICE, START, Can.READ),
        Pipe(SERVICE, RUN_TIME, Can.READ),
        Pipe(SERVICE, _racp.PIPE, Can.WRITE | Can.INDICATE),
        *_gatt.CLOCKLESS_PIPES,
    )

    def __init__(
        self, *, routine: Routine, seed: int, clock: DeviceClock, start_off_s: float = 0, **common: Any
    ) -> None:
        wearing = Wearing(seed, routine, clock)
        super().__init__(routine=wearing, seed=seed, clock=clock, **common)
        self._start_off_ns = round(start_off_s * NS)
        self._began_ns = wearing.began_ns
        self._before_mg_dl: int | None = None

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        happenings = []
        while self._began_ns is not None and (spent_ns := self._began_ns + SESSION_DAYS * DAY_NS) <= t_ns:
            happenings += super().update(spent_ns - 1, truth_at)
            if self._silent:
                break
            happenings.append(Happening(spent_ns, "new sensor"))
            self._began_ns, self.records, self._before_mg_dl = spent_ns, [], None
        return happenings + super().update(t_ns, truth_at)

    def _minutes(self, t_ns: int) -> int:
        """Since the session began, as the sensor counts."""
        if self._began_ns is None:
            return 0
        return (self.clock.read_ns(t_ns) - self.clock.read_ns(self._began_ns)) // _MINUTE_NS

    def _bits(self, t_ns: int, mmol: float | None = None) -> int:
        """The three status octets, the status itself in the lowest."""
        bits = 0 if self._began_ns is not None and not self._silent else SESSION_STOPPED
        bits |= BATTERY_LOW if self._battery.level(t_ns) < _LOW_PERCENT else 0
        if mmol is not None:
            bits |= (BELOW_HYPO if mmol < _HYPO_MMOL else 0) | (ABOVE_HYPER if mmol > _HYPER_MMOL else 0)
        return bits

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        mg_dl = round((truth.glucose + 0.3 * swing(self._seed, "glucose", t_ns)) * _GRAMS_PER_MOL / 10)
        before, self._before_mg_dl = self._before_mg_dl, mg_dl
        trend = 0.0 if before is None else (mg_dl - before) / EVERY_MIN
        mmol = round(mg_dl * 10 / _GRAMS_PER_MOL, 2)
        packet = measurement(mg_dl, self._minutes(t_ns), self._bits(t_ns, mmol), trend)
        return packet, packet, Happening(t_ns, "measured", {"glucose": mmol})

    def _number(self, record: Record) -> int:
        return int.from_bytes(record.stored[4:6], "little")

    def _report(self, records: Sequence[Record]) -> Sequence[Send]:
        packets = [b""]
        for record in records:
            if len(packets[-1]) + len(record.stored) > MOST:
                packets.append(b"")
            packets[-1] += record.stored
        return [Send(MEASUREMENT, packet) for packet in packets]

    def read(self, pipe: str, t_ns: int) -> bytes:
        match pipe:
            case _ if pipe == FEATURES:
                return features()
            case _ if pipe == STATUS:
                return checked(self._minutes(t_ns).to_bytes(2, "little") + self._bits(t_ns).to_bytes(3, "little"))
            case _ if pipe == START:
                return checked(self._started() + bytes((ZONE_QUARTERS, DAYLIGHT_QUARTERS)))
            case _ if pipe == RUN_TIME:
                return checked((SESSION_DAYS * 24).to_bytes(2, "little"))
        return super().read(pipe, t_ns)

    def _started(self) -> bytes:
        """When the session began, on the wall of the home; zeros where no collector's clock was set."""
        if self._began_ns is None or not self.clock.is_set:
            return UNKNOWN_DATE
        return _gatt.date_time(self._began_ns + self._start_off_ns + ZONE_QUARTERS * 15 * _MINUTE_NS)


def measurement(mg_dl: int, minutes: int, bits: int, trend: float) -> bytes:
    """A record: mg/dL, minutes of the session, the three status octets as one number, mg/dL a minute."""
    octets = [bits >> shift & 0xFF for shift in (0, 8, 16)]
    flags = HAS_TREND
    for octet, flag in zip(octets, (HAS_STATUS, HAS_CALIBRATION, HAS_WARNING), strict=True):
        flags |= flag if octet else 0
    rest = _gatt.sfloat(mg_dl) + minutes.to_bytes(2, "little") + bytes(octet for octet in octets if octet)
    rest += _gatt.sfloat(trend, 1)
    return checked(bytes((len(rest) + 4, flags)) + rest)


def features() -> bytes:
    """What the monitor can: 24 bits, sample type and place, CRC."""
    bits = LOW_BATTERY_DETECTED | CRC_SUPPORTED | TREND_SUPPORTED
    return checked(bits.to_bytes(3, "little") + bytes((INTERSTITIAL | SUBCUTANEOUS << 4,)))


def checked(data: bytes) -> bytes:
    """`data` with its E2E-CRC after it."""
    return data + e2e_crc(data).to_bytes(2, "little")


def e2e_crc(data: bytes) -> int:
    """CRC-16, lowest bit first, polynomial 1021, start FFFF, nothing inverted; `123456789` gives 6F91."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc


def _made(making: Making) -> Cgm:
    session = making.options if isinstance(making.options, Session) else Session()
    return Cgm(start_off_s=session.start_off_s, **making.spot)


KINDS = (
    Kind(
        "cgm",
        "Continuous glucose monitor with the standard Bluetooth service",
        "cgm-181f",
        "air",
        "worn",
        _made,
        Session,
    ),
)
