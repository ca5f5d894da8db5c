"""Whose a device is, as the page and the server say it to each other."""

from typing import Literal

from pydantic import Field

from server.api import Shape, Written


class Holder(Shape):
    """Whose a device's readings are, from (inclusive) to (exclusive); `to_ms` None: until further notice.

    `given_by`, `ended_by`: who said so on the page (their names); None: the municipality file, or nobody yet.
    """

    device: str
    patient_id: str
    name: str
    from_ms: int
    to_ms: int | None
    user_slot: int | None
    given_by: str | None
    ended_by: str | None
    why: str | None


class Give(Shape):
    """The device is this patient's from then on. `from_ms` None: from now.

    `user_slot`: which of a shared device's own users the patient is. `sure` False: nothing is done, only told what
    would follow.
    """

    patient_id: str = Field(max_length=64)
    from_ms: int | None = Field(default=None, ge=0, le=2**43)
    user_slot: int | None = Field(default=None, ge=0, le=254)
    why: Written = Field(min_length=3, max_length=500)
    sure: bool = False


class TakeBack(Shape):
    """The device is its holder's no longer. `to_ms` None: from now. `sure` as for `Give`."""

    to_ms: int | None = Field(default=None, ge=0, le=2**43)
    why: Written = Field(min_length=3, max_length=500)
    sure: bool = False


class Stays(Shape):
    """So many readings of the device, measured since, are filed under this patient already, and stay there."""

    patient_id: str
    name: str
    readings: int


class Follows(Shape):
    """What follows from the change, for what is here already; none of it is moved. `done`: whether it was made.

    `aside`: so much of the device, come since then while it was nobody's, is in quarantine.
    """

    done: bool
    at_ms: int
    stays: list[Stays]
    aside: int
    holders: list[Holder]
    """Who has it and has had it, the newest first."""


class DeviceView(Shape):
    """`link`: never, idle, connected, lost."""

    id: str
    driver: str
    gateway: str
    link: str
    last_seen_ms: int | None
    battery: float | None
    faults: int
    orders: list[str]
    """The kinds of order that it takes."""


class GatewayDevice(Shape):
    """A device that a gateway is to read, in the words of its own file (configs/gateway.toml)."""

    id: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    driver: str = Field(min_length=1, max_length=64)
    address: str | None = Field(default=None, pattern="^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$")
    port: str | None = Field(default=None, min_length=1, max_length=200)
    baud: int | None = Field(default=None, ge=1, le=4_000_000)
    bits: Literal[5, 6, 7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop: Literal[1, 2] | None = None


class GatewaySettings(Shape):
    """What may be set of a gateway from here. None: as its own file says."""

    devices: list[GatewayDevice] | None = Field(default=None, max_length=100)
    heartbeat_s: float | None = Field(default=None, ge=1, le=3600)
    limits: dict[str, float] = Field(default_factory=dict, max_length=100)
    """For its own triage while we are away, by name."""


class GatewayConfigChange(Shape):
    """`version`: the one that was changed, 0 for none. If a colleague was first, nothing is changed."""

    version: int = Field(ge=0)
    settings: GatewaySettings


class GatewayConfig(Shape):
    """What a gateway is wanted to be, and how far that has come. `version` 0: nothing is wanted, its file says all.

    waiting: it has not said that it runs it. refused: it says why not, in English; what ran before runs on.
    """

    gateway: str
    version: int
    state: Literal["none", "waiting", "applied", "refused"]
    refused: str | None
    runs_version: int
    settings: GatewaySettings
    changed_by: str | None
    changed_ms: int | None


class GatewayView(Shape):
    """`config`: how far the configuration from here has come; None where it has none."""

    id: str
    place: str
    online: bool
    last_heard_ms: int | None
    queued: int | None
    software: str | None
    strangers: list[str]
    notes: list[str]
    devices: list[DeviceView]
    config: Literal["waiting", "applied", "refused"] | None
    config_refused: str | None
    certificate_ends_ms: int | None
    """Of the newest one that counts; by the wall's clock."""
    revoked: bool
    """Nothing of it is believed until it is claimed anew."""


class QuarantineRow(Shape):
    """Something that could not be filed, kept with its bytes."""

    id: int
    t_ms: int
    gateway: str
    device: str | None
    reason: str
    text: str
    size: int
    data_hex: str
