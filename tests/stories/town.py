"""A whole town in one process: bodies, device firmware, drivers, spools and the server, on a clock that a story moves.

Only the wires are missing. A home's devices answer the gateway's own sessions through memory, and what the spool holds
is handed to the server as the uplink would send it; the acknowledgements that come back release it. So a story can
cut any of these at any moment and look at what is left.
"""

import math
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import sqlalchemy as sa
import tomli_w

from drivers.catalogue import find
from drivers.contract import Card, Rx
from firmware_sim.config import DeviceConfig, HomeConfig, SimConfig
from firmware_sim.device import Happening
from firmware_sim.devices._spot import SpotDevice
from firmware_sim.devices.dispenser import Dispenser
from firmware_sim.household import Household
from gateway.links.contract import Connection
from gateway.spool.store import Spool
from gateway.visits.orders import Orders
from gateway.visits.session import Session
from server.alarms import store as alarms
from server.alarms import table
from server.alarms.model import Alarm
from server.app import Server
from server.broker.accounts import hash_password
from server.config import Config, Fleet
from server.fleet.quarantine import QuarantineRecord, quarantine
from server.notify.phone import messages
from server.orders import store as orders
from server.orders.model import LASTS_S, Order
from server.readings import store as readings
from tests.lite import lay
from vitals import wire
from vitals.clock import MS, NS, ManualClock
from vitals.errors import LinkError
from vitals.wire import Ack, Batch, Health, Row

CONFIGS = Path(__file__).parents[2] / "configs"
START_NS = int(datetime(2026, 11, 21, 7, tzinfo=UTC).timestamp()) * NS
STAFF = {"nurse": "Kari Berg", "doctor": "Dr. Nils Haugen", "administrator": "Anne Moen"}
DRIVERS = {"oximeter": "plx-1822", "scale": "wss-181d", "dispenser": "hjemvakt-dispenser"}
_STEP_S = 300


class OnAir:
    """A connection to a device on the air, without the air: what it indicates is confirmed and handed over."""

    def __init__(self, firmware: SpotDevice, card: Card, clock: ManualClock) -> None:
        self._firmware = firmware
        self._clock = clock
        firmware.connected()
        has = {pipe.uuid for pipe in firmware.pipes}
        for pipe in card.notify:
            if pipe in has:
                firmware.subscribed(pipe, True)
        now_ns = clock.now_ns()
        self._packets = [Rx(pipe, firmware.read(pipe, now_ns), now_ns) for pipe in card.read if pipe in has]

    def waiting(self) -> list[Rx]:
        packets, self._packets = self._packets, []
        return packets

    async def receive(self) -> list[Rx]:
        while send := self._firmware.next_send():
            self._packets.append(Rx(send.pipe, send.data, self._clock.now_ns()))
            self._firmware.confirmed(send)
        if not self._packets:
            raise LinkError("the device has said all it had")
        return self.waiting()

    async def send(self, pipe: str, data: bytes) -> None:
        self._firmware.write(pipe, data, self._clock.now_ns())

    async def close(self) -> None:
        self._firmware.disconnected()


class OnLine:
    """A serial line in memory. `carry` may damage what the device says."""

    def __init__(self, firmware: Dispenser, clock: ManualClock, carry: Callable[[bytes], bytes]) -> None:
        self._firmware = firmware
        self._clock = clock
        self._carry = carry
        self._heard: list[bytes] = []

    def waiting(self) -> list[Rx]:
        return []

    async def receive(self) -> list[Rx]:
        frames, self._heard = [*self._heard, *self._firmware.unasked()], []
        if not frames:
            raise LinkError("the line is quiet")
        return [Rx("serial", self._carry(frame), self._clock.now_ns()) for frame in frames]

    async def send(self, pipe: str, data: bytes) -> None:
        self._heard += self._firmware.receive(data, self._clock.now_ns())

    async def close(self) -> None:
        """A line has no end to tell."""


class Home:
    """A person with three devices and a hub."""

    def __init__(self, number: int, scenario: str, clock: ManualClock, folder: Path, seed: int) -> None:
        self.name = f"home-{number:02}"
        self.clock = clock
        self.on = True
        """The hub has power."""
        self.reached = True
        """The hub reaches the server."""
        self.shown = -1
        """The version of the wishes that its page shows."""
        self.carry: Callable[[bytes], bytes] = bytes
        self.happenings: list[Happening] = []
        self._file = folder / self.name / "spool.sqlite"
        self._file.parent.mkdir(parents=True)
        self._devices = (
            DeviceConfig("oximeter", f"oxi-{number}", drift_ppm=40, clock_offset_s=95),
            DeviceConfig("scale", f"scale-{number}", drift_ppm=-25, clock_offset_s=-600),
            DeviceConfig("dispenser", f"disp-{number}", drift_ppm=15, clock_offset_s=40),
        )
        path = str(CONFIGS / "scenarios" / f"{scenario}.toml")
        config = SimConfig((HomeConfig(self.name, path, devices=self._devices),), seed=seed, start_ns=START_NS)
        household = Household(config, config.homes[0], woken_ns=START_NS)
        self._body = household.body
        self._firmware = {device.id: household.firmware(device) for device in self._devices}
        self.spool: Spool
        self.orders: Orders
        self._sessions: dict[str, Session] = {}

    @property
    def devices(self) -> Sequence[str]:
        return tuple(device.id for device in self._devices)

    async def open(self) -> None:
        self.spool = await Spool.open(self._file)
        drivers = {device.id: find(DRIVERS[device.kind]) for device in self._devices}
        takes = {device: driver.card.orders for device, driver in drivers.items()}
        self.orders = await Orders.open(self.name, self.spool, self.clock, takes)
        self._sessions = {
            device: Session(device, driver, self.spool, self.clock, self.orders) for device, driver in drivers.items()
        }

    async def restart(self) -> None:
        """The hub loses power and comes back: only what is on its disk remains."""
        await self.spool.close()
        await self.open()

    async def live(self, server: Server | None) -> None:
        """Bring the devices to now, read those that have something to say, and pass on what the server takes."""
        now_ns = self.clock.now_ns()
        for device, firmware in self._firmware.items():
            self.happenings += firmware.update(now_ns, self._body.truth)
            if self.on:
                await self.orders.turn()
                await self._read(device, firmware)
        if self.on and self.reached and server is not None:
            await self.pass_on(server)

    async def _read(self, device: str, firmware: SpotDevice | Dispenser) -> None:
        session = self._sessions[device]

        async def open_connection() -> Connection:
            if isinstance(firmware, SpotDevice):
                return OnAir(firmware, session.card, self.clock)
            return OnLine(firmware, self.clock, self.carry)

        if isinstance(firmware, Dispenser):
            if firmware.alive:
                await session.visit(open_connection)
        elif firmware.has_news:
            await session.visit(open_connection)

    async def pass_on(self, server: Server) -> None:
        """The heartbeat, then every row that waits; what the server acknowledges is released."""
        status = self.spool.status
        health = tuple(session.health() for session in self._sessions.values())
        told = Health(
            self.name,
            self.spool.epoch,
            self.clock.now_ns(),
            "story",
            status.queued,
            devices=health,
            wishes_version=self.shown,
        )
        server.receive(wire.up(self.name, "health"), wire.encode(told))
        after = 0
        while rows := await self.spool.take(after, wire.MAX_ROWS):
            after = rows[-1].seq
            for _, payload in server.receive(wire.up(self.name, "obs"), self.batch(rows)):
                self.spool.release(wire.decode(payload, Ack).ranges)
        await self.spool.flushed()

    def batch(self, rows: Sequence[object]) -> bytes:
        """Stored rows as the uplink would send them."""
        decoded = tuple(msgspec.json.decode(row.json, type=Row) for row in rows)  # type: ignore[attr-defined]
        return wire.encode(Batch(self.name, self.spool.epoch, self.clock.now_ns(), decoded))

    def command(self, payload: bytes) -> None:
        """What the server publishes under `down/command` reaches the hub, or it does not."""
        if self.on and self.reached:
            self.orders.arrived(payload)

    def firmware(self, device: str) -> SpotDevice | Dispenser:
        return self._firmware[device]

    def measured(self, channel: str) -> list[float]:
        """What the devices' displays showed since the story began, oldest first."""
        return [float(happening.data[channel]) for happening in self.happenings if channel in happening.data]


class Town:
    """Homes, a server, a staff with telephones. `patients`: name, programme, scenario, personal limits."""

    def __init__(
        self,
        folder: Path,
        patients: Sequence[tuple[str, str, str, dict[str, float]]],
        seed: int = 1,
        programmes: Path | None = None,
    ) -> None:
        self.clock = ManualClock(START_NS)
        self.homes = [
            Home(number, scenario, self.clock, folder, seed) for number, (_, _, scenario, _) in enumerate(patients, 1)
        ]
        self.ids = {name: f"p-{number}" for number, (name, *_) in enumerate(patients, 1)}
        (folder / "municipality.toml").write_text(tomli_w.dumps(self._municipality(patients)), encoding="utf-8")
        self._config = Config(
            "Salten",
            folder / "server",
            folder / "municipality.toml",
            CONFIGS / "ladders.toml",
            demo=True,
            programmes=programmes,
            fleet=Fleet(offline_after_s=3 * _STEP_S),
        )
        self.server: Server | None = None
        self.start_server()

    def _municipality(self, patients: Sequence[tuple[str, str, str, dict[str, float]]]) -> dict[str, object]:
        since = datetime(2026, 10, 1, tzinfo=UTC)
        return {
            "name": "Salten",
            "patients": [
                {"id": self.ids[name], "name": name, "birth_year": 1948, "place": "Rognan", "programme": programme,
                 "limits": limits}
                for name, programme, _, limits in patients
            ],
            "gateways": [
                {"id": home.name, "place": "Rognan", "patient": patient,
                 "password_hash": hash_password("story", iterations=10)}
                for home, patient in zip(self.homes, self.ids.values(), strict=True)
            ],
            "assignments": [
                {"device": device, "patient": patient, "from": since}
                for home, patient in zip(self.homes, self.ids.values(), strict=True)
                for device in home.devices
            ],
            "staff": [
                {"id": role, "name": name, "role": role, "phone": "+47 900 00 000", "password_hash": "$argon2id$none"}
                for role, name in STAFF.items()
            ],
        }  # fmt: skip

    async def open(self) -> None:
        for home in self.homes:
            await home.open()

    async def close(self) -> None:
        for home in self.homes:
            await home.spool.close()
        if self.server:
            self.server.close()

    def stop_server(self) -> None:
        if self.server:
            self.server.close()
        self.server = None

    def start_server(self) -> None:
        lay(self._config.database.where(self._config.data))
        self.server = Server(self._config, self.clock)
        self.server.publish = self._carry

    def _carry(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """What the server says of its own accord, as the broker would carry it."""
        homes = {home.name: home for home in self.homes}
        for topic, payload in messages:
            homes[wire.gateway_of(topic)].command(payload)

    async def spend(self, *, hours: float = 0, minutes: float = 0) -> None:
        """Let time pass, in steps of five minutes."""
        for _ in range(math.ceil((hours * 3600 + minutes * 60) / _STEP_S)):
            await self.step()

    async def until(self, happened: Callable[[], object], *, hours: float) -> None:
        """Let time pass until something is so; a story in which it never is fails."""
        for _ in range(round(hours * 3600 / _STEP_S)):
            if happened():
                return
            await self.step()
        raise AssertionError(f"it did not happen within {hours} hours")

    async def step(self) -> None:
        now_ns = self.clock.advance(seconds=_STEP_S)
        for home in self.homes:
            await home.live(self.server)
        if self.server:
            self.server.tick(now_ns)

    # What people see and do

    def phone(self, role: str) -> list[str]:
        """What that person's phone has shown, oldest first."""
        with self._up.db.read() as tx:
            return [message.text for message in messages(tx) if message.to == STAFF[role]]

    def minute_of(self, role: str, *words: str) -> float:
        """Minutes into the story when that person's phone first showed all these words."""
        with self._up.db.read() as tx:
            for message in messages(tx):
                if message.to == STAFF[role] and all(word in message.text for word in words):
                    return (message.t_ms * MS - START_NS) / NS / 60
        raise AssertionError(f"{STAFF[role]} was never told {words}; told: {self.phone(role)}")

    def alarms(self, name: str) -> list[Alarm]:
        """The patient's open alarms."""
        with self._up.db.read() as tx:
            return table.all_open(tx, [self.ids[name]])

    def rules(self, name: str) -> set[str]:
        """Which rules have spoken in the patient's open alarms."""
        return {reason.rule for alarm in self.alarms(name) for reason in alarm.reasons}

    def acknowledge(self, role: str, alarm: Alarm) -> None:
        with self._up.db.write() as tx:
            alarms.acknowledge(tx, alarm, STAFF[role], self.clock.now_ns(), self._config.acknowledge_expires_s)

    def order(self, name: str, kind: str, **data: int | str) -> str:
        """Kari orders something of that patient's dispenser; returns the order's id."""
        now_ns, home = self.clock.now_ns(), self.homes[list(self.ids).index(name)]
        order = Order(
            secrets.token_hex(8), self.ids[name], home.devices[-1], home.name, kind, data, "story", STAFF["nurse"],
            now_ns, now_ns + round(LASTS_S[kind] * NS),
        )  # fmt: skip
        with self._up.db.write() as tx:
            orders.place(tx, order)
        return order.id

    def order_now(self, order: str) -> Order:
        with self._up.db.read() as tx:
            found = orders.get(tx, order)
        assert found is not None
        return found

    def quarantined(self) -> list[QuarantineRecord]:
        with self._up.db.read() as tx:
            return quarantine(tx, 1000)

    def stored(self, name: str, channel: str) -> list[float]:
        """That patient's readings since the story began, oldest first."""
        with self._up.db.read() as tx:
            column = readings.series(tx, self.ids[name], channel, START_NS, self.clock.now_ns())
        return list(column.value)

    def events(self, name: str) -> list[str]:
        with self._up.db.read() as tx:
            told = readings.events(tx, self.ids[name], START_NS, self.clock.now_ns())
        return [one.kind for one in told]

    def rows_of(self, kind: str) -> int:
        """How many rows a table of the server holds."""
        with self._up.db.read() as tx:
            return tx.scalar(sa.text(f"SELECT count(*) FROM {kind}")) or 0

    @property
    def _up(self) -> Server:
        assert self.server is not None, "the server is down in this part of the story"
        return self.server
