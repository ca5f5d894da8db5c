"""Row 7: messages duplicated, shuffled and corrupted, through a real broker to a real server.

This row is its own gateway, since a real one sends nothing wrong: it publishes batches of readings under the names of
a few gateways and listens for their acknowledgements. Every batch goes out once to four times, anywhere among a
thousand others, some of them long after; and between them fly damaged copies of the same batches.

    cut      the message ends too early
    bytes    some bytes are such as no text in UTF-8 has (f8 to ff)
    other    it says to be another gateway's
    version  it speaks a version that does not exist
    word     one row of the batch has a word where its value should be; the others are in order
    number   one row has another number where its value was: as good a reading as any, and a wrong one

One of the gateways was claimed, so it seals what it sends, and `number` falls on its messages alone: without a seal
nothing could tell. Below MQTT, TCP and TLS have checksums of their own.

What is damaged must be found in quarantine byte for byte, and must not take the place of what is whole. A damaged copy
of a row that is stored already is passed over; only where all that was hit is a row, and there is no seal, can that be.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from server.db import Database
from server.fleet.seals import give_key
from tests.faults.ledger import Ledger, compare, looking_into, promised_readings, shown_readings, sound, values
from tests.faults.report import SAY_S, Result, say
from tests.faults.town import Plan, Town
from tests.mqtt import end
from vitals import wire
from vitals.block import Block
from vitals.seal import Key, fresh, unseal
from vitals.wire import Ack, Batch, Row

GATEWAYS = ("hail-1", "hail-2", "hail-3")
SEALED = "hail-3"
"""The one that was claimed."""
ROWS = 3
CHUNK = 1_500
"""Messages under way at a time: less than a broker's queue."""
SENT = (1, 1, 2, 3, 4)
DAMAGED = 0.25
LATE = 0.1
"""The share of batches that come once more a long time after."""
_EPOCH = "e"
_VALUE = 95.0
_WAIT_S = 60.0
_NO_TEXT = bytes(range(0xF8, 0x100))
_DAMAGES = ("cut", "bytes", "other", "version", "word")
_SEALED_DAMAGES = (*_DAMAGES, "number", "number")

Sent = tuple[str, bytes]
"""Gateway and payload."""


async def run(folder: Path, messages: int, seed: int) -> Result:
    """Send so many, then count."""
    plan = Plan(folder, "auto", (), accounts=GATEWAYS)
    ledger = Ledger(folder / "ledger")
    try:
        async with Town(plan).running():
            hail = Hail(plan, ledger, random.Random(seed), _claimed(plan))
            began_s = time.monotonic()
            try:
                await asyncio.to_thread(hail.fall, messages)
            finally:
                await asyncio.to_thread(hail.close)
            took_s = time.monotonic() - began_s
        measured = ledger.records()
    finally:
        ledger.close()
    with looking_into(plan.database) as db:
        aside = {bytes(data) for (data,) in db.execute("SELECT data FROM quarantine")}
    found, wrong = shown_readings(plan.database), sum(value != _VALUE for value in values(plan.database))
    count = compare(measured, found)
    folded_whole = Counter(found) == Counter(promised_readings(plan.database))
    kept, passed = hail.kept_aside(aside)
    missing, from_nowhere = hail.kinds.total() - kept - passed, len(aside - hail.sendable)
    kinds = ", ".join(f"{kind} {times:,}" for kind, times in sorted(hail.kinds.items()))
    return Result(
        "hail of messages",
        count.whole
        and folded_whole
        and sound(plan.database)
        and not (missing or from_nowhere or wrong or hail.unanswered),
        count,
        (
            f"{hail.sent:,} messages in {took_s:.0f} s: {hail.whole:,} whole ones and copies; damaged {kinds}",
            f"of the damaged {kept:,} are in quarantine, {passed:,} were copies of rows that had come,"
            f" {missing:,} are nowhere; {from_nowhere:,} in quarantine were never sent so",
            f"{hail.unanswered:,} rows were never acknowledged, {wrong:,} are stored with another number",
        ),
    )


class Hail:
    """The sender. `sendable`: every damaged message and row, byte for byte: nothing else may be in quarantine."""

    def __init__(self, plan: Plan, ledger: Ledger, draw: random.Random, key: Key) -> None:
        self._ledger = ledger
        self._key = key
        self._draw = draw
        self._next = dict.fromkeys(GATEWAYS, 1)
        self._waiting: dict[tuple[str, int], None] = {}
        self._lock = threading.Condition()
        self._late: list[Sent] = []
        self.sent = self.whole = self.unanswered = 0
        self.sendable: set[bytes] = set()
        self._damaged: list[tuple[bytes, list[bytes]]] = []
        """Each damaged message, and the rows in it that are hit; without any it can only be refused as a whole."""
        self.kinds: Counter[str] = Counter()
        self._clients = {name: self._client(plan, name) for name in GATEWAYS}

    def fall(self, messages: int) -> None:
        """Send so many, in chunks; each is awaited before the next."""
        say_s = time.monotonic() + SAY_S
        while self.sent < messages:
            self._publish(self._chunk())
            self._await()
            if time.monotonic() > say_s:
                say(f"{self.sent:,} of {messages:,} messages")
                say_s = time.monotonic() + SAY_S
        for name in GATEWAYS:  # behind everything else of its gateway: when this is answered, all of it was looked at
            self._publish([self._batch(name)])
        self._await()

    def kept_aside(self, aside: set[bytes]) -> tuple[int, int]:
        """How many damaged messages are in quarantine, as a whole or by their rows, and how many were passed over."""
        kept = [message in aside or (bool(rows) and aside.issuperset(rows)) for message, rows in self._damaged]
        passed = [not here and bool(rows) for here, (_, rows) in zip(kept, self._damaged, strict=True)]
        return sum(kept), sum(passed)

    def close(self) -> None:
        for client in self._clients.values():
            end(client)

    def _chunk(self) -> list[Sent]:
        """Some new batches with their copies, damaged ones, and copies of batches from long ago, shuffled."""
        chunk: list[Sent] = []
        while len(chunk) < CHUNK:
            name = self._draw.choice(GATEWAYS)
            one = self._batch(name)
            copies = self._draw.choice(SENT)
            self.whole += copies
            chunk += [one] * copies
            if self._draw.random() < LATE:
                self._late.append(one)
            if self._draw.random() < DAMAGED:
                chunk.append((name, self._damage(*one)))
        self._draw.shuffle(self._late)
        late, self._late = self._late[: len(self._late) // 2], self._late[len(self._late) // 2 :]
        self.whole += len(late)
        chunk += late
        self._draw.shuffle(chunk)
        return chunk

    def _batch(self, name: str) -> Sent:
        """Three new readings, written to the ledger."""
        first, now_ns = self._next[name], time.time_ns()
        self._next[name] += ROWS
        device = f"{name}-box-1"
        rows = []
        for seq in range(first, first + ROWS):
            record = f"{_EPOCH}:{seq}"
            self._ledger.note(f"{device} {record}")
            rows.append(Row(seq, device, now_ns, Block("spo2", (now_ns,), (_VALUE,), record=record)))
        with self._lock:
            self._waiting |= dict.fromkeys((name, seq) for seq in range(first, first + ROWS))
        body = wire.encode(Batch(name, _EPOCH, now_ns, tuple(rows)))
        return name, self._key.seal(wire.up(name, "obs"), body) if name == SEALED else body

    def _damage(self, name: str, payload: bytes) -> bytes:
        """A damaged copy, remembered. Of a sealed one no row is read, whatever was hit."""
        kind = self._draw.choice(_SEALED_DAMAGES if name == SEALED else _DAMAGES)
        self.kinds[kind] += 1
        rows: list[bytes] = []
        match kind:
            case "cut":
                message = payload[: self._draw.randrange(1, len(payload))]
            case "bytes":
                message, rows = self._with_bytes(payload)
            case "word":
                message, rows = self._with_word(payload)
            case "number":
                message = payload.replace(b'"value":[95.0]', b'"value":[%d.0]' % self._draw.randint(50, 94), 1)
            case "other":
                message = payload.replace(f'"gateway":"{name}"'.encode(), b'"gateway":"hail-9"')
            case _:
                message = payload.replace(b'"v":1', b'"v":9')
        rows = [] if name == SEALED else rows
        self._damaged.append((message, rows))
        self.sendable |= {message, *rows}
        return message

    def _with_bytes(self, payload: bytes) -> tuple[bytes, list[bytes]]:
        """The message with up to four bytes hit, and what that made of its rows."""
        damaged = bytearray(payload)
        while damaged == payload:  # a seal is any bytes, and such a one may stand there already
            for _ in range(self._draw.randint(1, 4)):
                damaged[self._draw.randrange(len(damaged))] = self._draw.choice(_NO_TEXT)
        spans = [(payload.index(row), len(row)) for row in _rows_of(payload)]
        now = [(payload[at : at + size], bytes(damaged[at : at + size])) for at, size in spans]
        return bytes(damaged), [hit for before, hit in now if hit != before]

    def _with_word(self, payload: bytes) -> tuple[bytes, list[bytes]]:
        row = self._draw.choice(_rows_of(payload))
        spoilt = row.replace(b'"value":[95.0]', b'"value":["high"]')
        return payload.replace(row, spoilt), [spoilt]

    def _publish(self, messages: Sequence[Sent]) -> None:
        sent = [self._clients[name].publish(wire.up(name, "obs"), payload, qos=1) for name, payload in messages]
        for one in sent:
            one.wait_for_publish(_WAIT_S)
        self.sent += len(messages)

    def _await(self) -> None:
        """Until every whole batch sent so far is acknowledged."""
        with self._lock:
            if not self._lock.wait_for(lambda: not self._waiting, _WAIT_S):
                self.unanswered += len(self._waiting)
                self._waiting.clear()

    def _client(self, plan: Plan, name: str) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv311)
        client.username_pw_set(name, plan.password)
        client.max_inflight_messages_set(CHUNK)
        client.max_queued_messages_set(0)
        listening = threading.Event()
        client.on_connect = lambda client, *_: client.subscribe(wire.down(name, "ack"), qos=1)
        client.on_subscribe = lambda *_: listening.set()
        client.on_message = lambda _client, _userdata, message: self._heard(name, bytes(message.payload))
        client.connect("127.0.0.1", plan.port)
        client.loop_start()
        listening.wait(_WAIT_S)
        return client

    def _heard(self, name: str, payload: bytes) -> None:
        body = unseal(wire.down(name, "ack"), payload, (self._key,) if name == SEALED else ()).body
        with self._lock:
            for seq in _numbers(wire.decode(body, Ack)):
                self._waiting.pop((name, seq), None)
            self._lock.notify_all()


def _claimed(plan: Plan) -> Key:
    """What claiming leaves at the server, and the key the gateway has of it."""
    secret, db = fresh(), Database(plan.database)
    with db.write() as tx:
        give_key(tx, SEALED, secret, 0)
    db.close()
    return Key(secret)


def _rows_of(payload: bytes) -> list[bytes]:
    """The rows of a whole message, as they stand in it."""
    body = payload[payload.index(b'{"gateway') :]
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])["rows"]
    return [bytes(row) for row in msgspec.json.decode(raw, type=list[msgspec.Raw])]


def _numbers(ack: Ack) -> Iterator[int]:
    for first, last in ack.ranges:
        yield from range(first, last + 1)
