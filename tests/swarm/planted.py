"""Bugs to plant, each as a hurried change might bring it. A swarm that did not find them would prove nothing."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

import server.alarms.store as alarm_store
import server.held.store as held
import server.ingest.filing as filing
import server.ingest.pile as ingest_pile
import triage.programme
from gateway.spool.file import File
from gateway.spool.reserve import Reserve
from gateway.uplink.sending import Uplink
from gateway.uplink.window import as_ranges
from server.app import Server
from server.fleet.store import Pulse
from server.ingest.store import Early, Message
from server.patients.store import Whose
from server.watch import New, Watch
from tests.swarm.look import batch_of
from triage.contract import Finding, Rule, Window
from triage.episode import Change, Episode, step
from vitals import wire
from vitals.alarm import Reason
from vitals.wire import Ack

Plant = Callable[[ExitStack], None]


def _in_place_of(stack: ExitStack, where: object, name: str, what: object) -> None:
    stack.enter_context(mock.patch.object(where, name, what))


def acknowledged_before_the_commit(stack: ExitStack) -> None:
    """The server answers although its disk refused."""
    real = Server.receive_many

    def receive_many(self: Server, messages: Sequence[Message], early: Sequence[Early] = ()) -> list[Message]:
        try:
            return real(self, messages, early)
        except sa.exc.OperationalError:
            return [_ack(topic, payload) for topic, payload in messages if _ack(topic, payload)]  # type: ignore[misc]

    _in_place_of(stack, Server, "receive_many", receive_many)


def _ack(topic: str, payload: bytes) -> Message | None:
    try:
        batch = batch_of(topic, payload)
    except wire.WireError:
        return None
    if batch is None:
        return None
    ranges = tuple(as_ranges([row.seq for row in batch.rows]))
    return wire.down(batch.gateway, "ack"), wire.encode(Ack(batch.epoch, ranges, 0))


def released_when_the_broker_has_it(stack: ExitStack) -> None:
    """The gateway lets go of what it has handed to the broker."""
    real = Uplink._send

    def send(self: Uplink, broker: Any, flight: Any) -> None:
        real(self, broker, flight)
        self._spool.release([(seq, seq) for seq in flight.unacknowledged])

    _in_place_of(stack, Uplink, "_send", send)


def numbers_from_the_start_again(stack: ExitStack) -> None:
    """A spool that was emptied and opened again counts from what it holds."""
    real = File.__init__

    def opened(self: File, db: sqlite3.Connection, path: Path, reserve: Reserve) -> None:
        real(self, db, path, reserve)
        self._last_seq = db.execute("SELECT coalesce(max(seq), 0) FROM row").fetchone()[0]

    _in_place_of(stack, File, "__init__", opened)


def known_only_by_its_row(stack: ExitStack) -> None:
    """A record that is read a second time is a second reading."""
    _in_place_of(stack, filing, "known_by", lambda what, transport: ("row", transport))
    _row_by_row(stack)


def _row_by_row(stack: ExitStack) -> None:
    """Nothing takes the ordinary lane: what is planted in `server.ingest.filing` is for all rows."""
    _in_place_of(stack, ingest_pile, "ordinary", lambda *_: None)
    _in_place_of(stack, ingest_pile.Pile, "_is_ordinary", lambda *_: False)


def the_patient_of_the_hour(stack: ExitStack) -> None:
    """A late reading is filed under whoever has the device now."""
    real = filing._patient

    def patient(device: str, t_ns: int, whose: Whose, now_ns: int) -> object:
        found = real(device, t_ns, whose, now_ns)
        return (whose.patient_at(device, now_ns) or found) if isinstance(found, str) else found

    _in_place_of(stack, filing, "_patient", patient)
    _row_by_row(stack)


def a_held_reading_forgotten(stack: ExitStack) -> None:
    """What does not fit the person is asked about, and not kept."""
    _in_place_of(stack, held, "_hold", lambda *_: None)


def no_look_at_what_came(stack: ExitStack) -> None:
    """The rules run with the engine only."""
    real = Server._look

    def look(self: Server, tx: sa.Connection, people: Collection[str], now_ns: int, new: New) -> set[str]:
        return set() if new else real(self, tx, people, now_ns, new)

    _in_place_of(stack, Server, "_look", look)


def unknown_taken_for_calm(stack: ExitStack) -> None:
    """An alarm settles while nobody knows whether what it was raised for is over."""

    def forgetful(
        episode: Episode | None, reasons: Sequence[Reason], unknown: Collection[str], now_ns: int
    ) -> tuple[Episode | None, list[Change]]:
        return step(episode, reasons, (), now_ns)

    _in_place_of(stack, alarm_store, "step", forgetful)


def heard_though_taken_back(stack: ExitStack) -> None:
    """The server remembers a heartbeat that its disk had no room for (it once did)."""
    real = Watch._listened

    def listened(self: Watch, heard: Iterable[Pulse], now_ns: int) -> dict[str, int | None]:
        found = real(self, heard, now_ns)
        self._remember(found)
        return found

    _in_place_of(stack, Watch, "_listened", listened)


def the_floor_counts_as_below(stack: ExitStack) -> None:
    """A limit that is off by one."""
    real = triage.programme.catalogue()
    rule = real["spo2_floor"]

    def judge(window: Window) -> Finding:
        return rule.judge(replace(window, limit={**window.limit, "spo2_floor": window.limit["spo2_floor"] + 1}))

    planted: Mapping[str, Rule] = {**real, "spo2_floor": replace(rule, judge=judge)}
    _in_place_of(stack, triage.programme, "catalogue", lambda: planted)


PLANTED: Mapping[Plant, Sequence[str]] = {
    acknowledged_before_the_commit: ("durable",),
    released_when_the_broker_has_it: ("durable",),
    numbers_from_the_start_again: ("number",),
    known_only_by_its_row: ("unique",),
    the_patient_of_the_hour: ("patient",),
    a_held_reading_forgotten: ("durable",),
    no_look_at_what_came: ("missing",),
    unknown_taken_for_calm: ("settled", "vanished"),
    heard_though_taken_back: ("invented",),
    the_floor_counts_as_below: ("invented", "missing"),
}
"""Each bug, and the promises one of which it must be found to break."""


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    with ExitStack() as stack:
        plant(stack)
        yield
