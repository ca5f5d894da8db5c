"""What a failed connection says about the bond, purely: whether it is lost, and what may be done about that.

A device forgets its bond when it is reset or its battery dies. The radio then says so in many voices, some of which
(BlueZ's `br-connection-canceled`, `le-connection-abort-by-local`) are also those of a device at the edge of hearing.
Taking a sound bond away is dear: some devices make a new one only in their pairing mode. So one voice proves nothing,
but LOST_AFTER failures that all sound like it do, of a device that is near, and nothing in between: a connection that
worked, or an answer that only an encrypted link can give, is proof of the contrary.

Silence (a time limit) and a radio that is not there prove nothing either way.
"""

from enum import Enum, auto

LOST_AFTER = 5
CERTAIN = ("PIN_OR_KEY_MISSING",)
"""The device itself said that it has no such key."""
AMBIGUOUS = ("br-connection-canceled", "le-connection-abort-by-local", "NoReply")
"""The connection ended while it was made; "NoReply": and bluetoothd with it, as a refused key was seen to do."""
NEAR_DBM = -80
"""Above this, a connection does not fail time and again because of the distance."""
LIKELY = (
    "AuthenticationFailed",
    "AuthenticationCanceled",
    "AuthenticationRejected",
    "Insufficient Authentication",
    "Insufficient Encryption",
    "Not paired",
)
"""What BlueZ, bleak and Bumble say when a link could not be encrypted, among other things."""


CONTRARY = ("GATT Protocol Error",)
"""The device answered."""


class Remedy(Enum):
    """What to do after a failure."""

    NONE = auto()
    BOND_ANEW = auto()
    """Throw the bond away: the device and the card allow another without a person."""
    ASK_A_PERSON = auto()
    """The bond is lost, and only a person can make another."""


class BondHistory:
    """The failures of one device since it was last well."""

    def __init__(self, *, needs_person: bool) -> None:
        self._needs_person = needs_person
        self._signs = 0

    def well(self) -> None:
        """It was connected to, encrypted and read."""
        self._signs = 0

    def failed(self, reason: str, rssi_dbm: int) -> Remedy:
        """A connection to a device we hold a bond with failed.

        `reason` is in the radio's words, "" for silence; `rssi_dbm` how its last advert was heard.
        """

        def sounds(like: tuple[str, ...]) -> bool:
            return any(sign in reason for sign in like)

        if sounds(CERTAIN):
            self._signs = LOST_AFTER
        elif sounds(LIKELY) or (sounds(AMBIGUOUS) and rssi_dbm >= NEAR_DBM):
            self._signs += 1
        elif sounds(CONTRARY):
            self._signs = 0
        if self._signs < LOST_AFTER:
            return Remedy.NONE
        self._signs = 0
        return Remedy.ASK_A_PERSON if self._needs_person else Remedy.BOND_ANEW
