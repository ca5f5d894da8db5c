"""What messages tell of the gateways themselves: which of them are here, and since when.

Every message is a sign of life of the moment when it was sent (`server.fleet.life`); a heartbeat tells more, and is
answered, for by the answer a home knows that it is watched.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from server.fleet import store as fleet
from server.fleet.life import Sign, sign
from server.fleet.seals import keyrings
from server.ingest.parcel import Message
from server.ingest.pile import Moment, acknowledgement
from vitals.seal import Key
from vitals.wire import Ack, Health, State


class Signs:
    """Of these `gateways`. `known` are those of them that are believed, and when the newest heartbeat of each was sent.

    `answers` are to heartbeats. `look`: patients at whom the rules must look though nothing is new of them.
    """

    def __init__(self, tx: sa.Connection, gateways: Collection[str], moment: Moment) -> None:
        self.known = fleet.known(tx, gateways)
        self.answers: list[Message] = []
        self.look: set[str] = set()
        self._keys = keyrings(tx, gateways, moment.now_ns)
        self._moment = moment
        self._alive_ns: dict[str, int] = {}
        self._changed: set[str] = set()

    def keys_of(self, gateway: str) -> Sequence[Key]:
        """Those that it may seal with now; none where it has none."""
        return self._keys.get(gateway, ())

    def batch(self, gateway: str, heard_ns: int | None, since_ns: int, key: Key | None) -> int | None:
        """Note the sign of life that a batch is; returns when it was sent where that is proved: under a seal, by an
        answer of ours."""
        self._alive(gateway, self._sign(gateway, heard_ns, since_ns))
        if key is None or heard_ns is None:
            return None
        proof = sign(heard_ns, since_ns, *self._moment, told_ns=None, sealed=True)
        return None if proof is None else proof.sent_ns

    def health(self, tx: sa.Connection, told: Health) -> None:
        """Note what a heartbeat tells that is news, and answer it."""
        life, told_ns = self._sign(told.gateway, told.heard_ns, told.since_ns), self.known[told.gateway]
        self._alive(told.gateway, life)
        if life is not None and life.newer(told_ns, self._moment.now_ns):
            self.look |= fleet.health(tx, told, self._moment.now_ns, life.sent_ns)
            self.known[told.gateway] = told_ns if life.sent_ns is None else life.sent_ns
        key = next(iter(self.keys_of(told.gateway)), None)
        ack = Ack(told.epoch, (), self._moment.now_ns, mark=told.mark)
        self.answers.append(acknowledgement(told.gateway, key, ack))

    def state(self, tx: sa.Connection, said: State) -> None:
        """Its last will may have come."""
        if not said.online:
            self._changed |= fleet.gone(tx, said.gateway)

    def write(self, tx: sa.Connection, fresh_s: float) -> set[str]:
        """Write down who is here, by signs no older than `fresh_s`; returns the patients whose gateway came or went."""
        return self._changed | fleet.heard(tx, self._alive_ns, self._moment.now_ns, fresh_s)

    def _sign(self, gateway: str, heard_ns: int | None, since_ns: int) -> Sign | None:
        sealed = gateway in self._keys
        return sign(heard_ns, since_ns, *self._moment, told_ns=self.known[gateway], sealed=sealed)

    def _alive(self, gateway: str, life: Sign | None) -> None:
        if life is not None:
            self._alive_ns[gateway] = max(life.t_ns, self._alive_ns.get(gateway, life.t_ns))
