"""A device's own calendar: a cheap crystal that was set once, by someone, to something.

`device = utc when set + (t - moment of setting) * (1 + drift)`. A clock that was never set counts from 2000-01-01, as
many do after a change of battery, and knows that it was not set.
"""

from vitals.clock import NS

UNSET_EPOCH_NS = 946_684_800 * NS


class DeviceClock:
    """A calendar with `drift_ppm` (positive runs fast), `offset_s` wrong at `t_ns`, or not set at all."""

    def __init__(self, t_ns: int, *, drift_ppm: float = 0, offset_s: float = 0, is_set: bool = True) -> None:
        self._rate = 1 + drift_ppm * 1e-6
        self._t_ns = t_ns
        self._device_ns = t_ns + round(offset_s * NS) if is_set else UNSET_EPOCH_NS
        self.is_set = is_set

    def read_ns(self, t_ns: int) -> int:
        """What the calendar shows at the true time `t_ns`; both in nanoseconds since 1970."""
        return self._device_ns + round((t_ns - self._t_ns) * self._rate)

    def true_ns(self, device_ns: int) -> int:
        """When the calendar shows `device_ns`, in true time: the inverse of `read_ns`."""
        return self._t_ns + round((device_ns - self._device_ns) / self._rate)

    def set(self, t_ns: int, device_ns: int) -> None:
        """Set the calendar to `device_ns` at the true time `t_ns`; the crystal stays as it is."""
        self._t_ns, self._device_ns, self.is_set = t_ns, device_ns, True
