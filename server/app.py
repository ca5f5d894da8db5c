"""The server put together.

`Server` is everything that decides and remembers, without a network: messages go in, acknowledgements come out, and
`tick` does what the clock makes due. A test holds it in its hand with a manual clock. `run` gives it a broker, an ear,
a site and an engine.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence

import sqlalchemy as sa

import server.access.store as access
import server.escalation.store as ladders
import server.fleet.store as fleet
import server.ingest.store as ingest
import server.oncall.store as oncall
import server.patients.store as patients
from server import broker, revisions, trouble
from server.alarms import at_home
from server.alarms.table import open_count
from server.api import Health
from server.broker import Running
from server.broker.accounts import well_formed
from server.config import Config, Influx, Municipality, Patient, load_municipality, zone_of
from server.db import Database, troubled
from server.decisions.record import looked
from server.engine import Engine
from server.escalation.ladder import read as load_ladders
from server.escalation.tick import climb_due
from server.fleet import desired
from server.fleet.seals import Signer
from server.held.home import Homes
from server.identity.authority import Authority
from server.identity.desk import Desk, is_renewal
from server.identity.keeper import Keeper
from server.ingest.inbox import Inbox
from server.ingest.store import Message
from server.keeping import kept, refuse_half_restored
from server.live import Hub
from server.metrics.feeds import Feeds
from server.metrics.meter import Meter
from server.metrics.standing import Standing
from server.notify.outbox import deliver_due
from server.notify.phone import FakePhone
from server.notify.sender import Sender
from server.orders import tick as orders
from server.orders.store import heard
from server.patients import versions
from server.patients.programmes import Programmes
from server.patients.programmes import load as load_programmes
from server.readings.fold import catch_up, fold
from server.readings.journal import last_seq
from server.readings.memory import memory_of
from server.startup import tick as startup
from server.version import program_version
from server.watch import ROUND_S, New, Watch
from server.wishes import answers
from server.wishes import document as wishes
from server.wishes.look import Wishing
from server.worklist import Rows
from vitals.clock import NS, Clock
from vitals.errors import ConfigError, LinkError

log = logging.getLogger(__name__)

LISTEN_S = 5
"""So long the start waits for the broker; an external one may come later than we."""

MOST_FAILURES = 64
"""So many times may the rules fail in one look before the rest waits for the next: enough to find five in thousands."""

FOLD_S = 60.0
"""What is filed becomes chunks after so long, in seconds of the wall..."""

FOLD_READINGS = 400_000
"""...or when there are so many: the more at once, the less each costs."""

GARBAGE = 20_000
"""So many new objects before their garbage is looked for; a batch of readings makes thousands, and all of them go."""

LOOKED_AT = 1_000
"""So many people in one transaction when everybody is looked at: a tenth of a second that readings wait."""

STOP_S = 3
"""So long may requests and streams take to end when the server is asked to stop."""


class Server:
    """The server without a network. `clock`: None for the one in `config`.

    Raises ConfigError for a municipality, ladders or programmes that cannot be used, StoreError for a database that
    cannot be. Thread-safe: writers take turns in the database.
    """

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.clock: Clock = config.clock if clock is None else clock
        self.broker_name = "none"
        self.municipality = checked_municipality(config)
        self.programmes: Programmes = load_programmes(config.programmes)
        config.data.mkdir(parents=True, exist_ok=True)
        self.db = Database(config.database.where(config.data))
        started_ns = self.clock.now_ns()
        self._open(started_ns)
        self.signer = Signer(config.data / "authority")
        self.meter = Meter()
        self.meter.registry.register(Standing(self, program_version()))
        rows = Rows(self.db, self.programmes, self.clock)
        self.hub = Hub(rows, self.clock, phones_for_all=config.demo)
        self.senders: dict[str, Sender] = {"sms": FakePhone(self.db, self.hub.phone, links=config.demo)}
        self._zone = zone_of(config.time_zone, "server.toml")
        self._homes = Homes(config.web.address, self._zone)
        self.desk: Desk | None = None
        self.keeper: Keeper | None = None
        if config.broker.tls:
            authority = Authority.open(config.data / "authority")
            self.desk = Desk(self.db, authority, config.broker.tls)
            self.keeper = Keeper(self.db, authority, config.broker.tls)
        self.watches: list[Callable[[], str | None]] = [self.db.problem]
        """What else may have a problem: each says what it is, or None."""
        self.publish: Callable[[Sequence[Message]], None] = lambda messages: None
        """Sends messages to gateways; one that is lost is sent again by whoever it is due to."""
        self.tick_age_s: Callable[[], float] = lambda: 0.0
        self._watch = Watch(
            self.programmes,
            config.fleet.silent_after_s,
            started_ns,
            self.clock.speed,
            Wishing(self.programmes, self._zone),
        )
        self._problems: dict[str, str] = {}
        self._stuck: dict[int, str] = {}
        """Alarms that cannot climb, and why."""
        self._again: dict[str, str] = {}
        """On whom the rules failed, and how; the next tick looks at them again."""
        self._looked_ns: int | None = None
        self._folded_ns: int | None = None

    def receive(self, topic: str, payload: bytes) -> list[Message]:
        """One message in; what to publish now that it is stored."""
        return self.receive_many([(topic, payload)])

    def receive_many(self, messages: Sequence[Message]) -> list[Message]:
        """Messages in, in one transaction; what to publish now that they are stored.

        Raises where the database cannot take them: then nothing is stored and nothing may be acknowledged. A message
        that the server stumbles over by itself is set aside, unacknowledged, so that it holds nobody up.
        """
        try:
            return self._receive(messages)
        except Exception as error:
            if troubled(error):
                raise
            if len(messages) > 1:
                return [answer for message in messages for answer in self.receive_many([message])]
            log.exception("a message could not be taken in and is set aside")
            with self.db.write() as tx:
                ingest.refuse(tx, messages[0], f"{type(error).__name__}: {error}", self.clock.now_ns())
            self.meter.set_aside("server error")
            return []

    def tick(self, now_ns: int) -> None:
        """Do everything that is due. One part that fails is a problem in `health`, and the others still run."""
        self.decide(now_ns)
        self.deliver(now_ns)
        self.fold(now_ns)

    def decide(self, now_ns: int) -> None:
        """Look at people, climb ladders and ask homes: what must be said is queued."""
        if self.keeper:
            self._part("identity", self.keeper.turn)
        self._part("orders", lambda: self._turn_orders(now_ns))
        self._part("configurations", lambda: self._send_configurations(now_ns))
        self._part("watch", lambda: self._look_around(now_ns))
        self._part("escalation", lambda: self._climb(now_ns))
        self._part("wishes", lambda: self._send_wishes(now_ns))
        self._part("start-ups", lambda: self._learn(now_ns))
        self._part("questions", lambda: self._ask(now_ns))

    def deliver(self, now_ns: int) -> None:
        """Send what is queued. It may take as long as the slowest provider, so it has an engine of its own."""
        self._part("notify", lambda: deliver_due(self.db, now_ns, self.senders, self._homes))

    def fold(self, now_ns: int) -> None:
        """Turn what has been filed into chunks, once there is enough of it or it has waited long enough."""
        self._part("fold", lambda: self._fold(now_ns))

    def look(self, tx: sa.Connection, new: New, now_ns: int) -> set[str]:
        """Run the rules for whoever something was filed of just now, in `tx`; returns whose alarms changed."""
        looked(tx, now_ns, last_seq(tx), {patient: len(what) for patient, what in new.items()})
        return self._look(tx, new.keys(), now_ns, new)

    def health(self) -> Health:
        """For a monitor: no personal data. It answers without the database too, and says then what it cannot count."""
        problems = self.problems()
        stored = quarantined = alarms = None
        try:
            with self.db.read() as tx:
                stored, quarantined, alarms = ingest.stored(tx), fleet.counts(tx).quarantined, open_count(tx)
        except Exception as error:
            if not troubled(error):
                raise
        return Health(
            status="degraded" if problems else "ok", problems=problems, broker=self.broker_name, stored=stored,
            quarantined=quarantined, open_alarms=alarms, tick_age_s=round(self.tick_age_s(), 3),
        )  # fmt: skip

    def problems(self) -> list[str]:
        """What is wrong: no personal data."""
        problems = [problem for ask in self.watches if (problem := ask())]
        return problems + [f"{part} fails ({why})" for part, why in sorted(self._failing().items())]

    def close(self) -> None:
        self.db.close()

    def _open(self, now_ns: int) -> None:
        """The database, at the newest revision, with what the municipality's files say now."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.db.close)
            refuse_half_restored(self.config.data)
            self.db.reach()
            revisions.upgrade(self.db)
            catch_up(self.db)
            with self.db.write() as tx:
                self._apply(tx, now_ns)
                memory_of(tx)  # made now: the first readings need not wait for it
            undo.pop_all()

    def _apply(self, tx: sa.Connection, now_ns: int) -> None:
        answers.refuse_listed(one.device for one in self.municipality.assignments)
        check_limits(
            self.programmes, self.municipality.patients
        )  # first: no database need take a limit that is no number
        versions.remember(tx, self.programmes, now_ns)
        patients.apply(tx, self.municipality, now_ns)
        fleet.apply(tx, self.municipality, now_ns)
        access.apply(tx, self.municipality)
        oncall.apply(tx, self.municipality, now_ns, self.config.time_zone)
        book = load_ladders(self.config.ladders)
        ladders.apply(tx, book.ladders, now_ns, book.office, self.config.time_zone)
        startup.apply(tx, self.programmes, now_ns)
        check_limits(self.programmes, patients.all_patients(tx))
        answers.assign(tx, self.programmes, now_ns)
        wishes.compose(tx, self.programmes, None, now_ns)

    def _receive(self, messages: Sequence[Message]) -> list[Message]:
        now_ns, began_s = self.clock.now_ns(), time.monotonic()
        with self.db.write() as tx:
            messages, renewed = self._renew(tx, messages)
            taken = ingest.take(tx, messages, now_ns, self.clock.speed)
            ordered = heard(tx, taken.new.events)
            changed = taken.changed | taken.new.keys() | ordered
            if look := taken.new.keys() | ordered | taken.look:
                if unfiled := look - taken.new.keys():
                    looked(tx, now_ns, last_seq(tx), dict.fromkeys(unfiled, 0))
                changed |= self._look(tx, look, now_ns, taken.new)
                changed |= at_home.trace(tx, changed)
        self.meter.took_in(taken.tally, taken.new.received_ns(), self.clock.now_ns(), time.monotonic() - began_s)
        self._tell(changed)
        return [*taken.acknowledge, *renewed]

    def _renew(self, tx: sa.Connection, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Message]]:
        """What is left of the messages without those that ask for a new certificate, and the answers to these."""
        if self.desk is None or not any(is_renewal(topic) for topic, _ in messages):
            return messages, []
        given = [one for topic, payload in messages if is_renewal(topic) for one in self.desk.renew(tx, topic, payload)]
        return [one for one in messages if not is_renewal(one[0])], given

    def _look(self, tx: sa.Connection, people: Collection[str], now_ns: int, new: New) -> set[str]:
        """Run the rules for these people; returns those whose alarms changed.

        Where they fail, the one they fail on is found by halving: everybody else is looked at all the same, the
        readings are kept, and whoever is left is looked at again with the next tick.
        """
        changed: set[str] = set()
        groups, failures = [people], 0
        while groups:
            group = groups.pop()
            try:
                with tx.begin_nested():
                    changed |= self._watch.look(tx, group, now_ns, new)
            except Exception as error:
                if troubled(error):
                    raise
                failures += 1
                named = sorted(group)
                if len(named) > 1 and failures < MOST_FAILURES:
                    groups += [named[: len(named) // 2], named[len(named) // 2 :]]
                    continue
                log.exception("the rules failed; what they were to look at is kept and looked at again")
                self._again |= dict.fromkeys(named, type(error).__name__)
        return changed

    def _look_around(self, now_ns: int) -> Iterable[str]:
        looked_ns, self._looked_ns = self._looked_ns, None  # should this fail, the next tick looks at everybody
        everybody = looked_ns is None or not 0 <= now_ns - looked_ns < ROUND_S * NS
        with self.db.write() as tx:
            again, self._again = self._again, {}
            changed = fleet.grown_old(tx, now_ns - round(self.config.fleet.offline_after_s * NS))
            people = sorted(patients.ids(tx) if everybody else again.keys() | changed)
            looked(tx, now_ns, last_seq(tx), None if everybody else dict.fromkeys(people, 0))
        for start in range(0, len(people), LOOKED_AT):
            with self.db.write() as tx:  # between two of them readings are taken in
                changed |= self._look(tx, people[start : start + LOOKED_AT], now_ns, {})
        self._looked_ns = now_ns if everybody else looked_ns
        return changed

    def _ask(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            return self._homes.ask_due(tx, now_ns)

    def _turn_orders(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            turned = orders.turn(tx, now_ns, self.clock.speed)
            changed = turned.overdue
            if turned.overdue:
                looked(tx, now_ns, last_seq(tx), dict.fromkeys(turned.overdue, 0))
                changed |= self._look(tx, turned.overdue, now_ns, {})
            publish = self.signer.sign_known(tx, turned.publish)
        self.publish(publish)
        return changed

    def _fold(self, now_ns: int) -> Iterable[str]:
        due = self._folded_ns is None or not 0 <= now_ns - self._folded_ns < FOLD_S * self.clock.speed * NS
        while fold(self.db, at_least=1 if due else FOLD_READINGS):
            due = False
            self._folded_ns = now_ns
        return ()

    def _send_configurations(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            publish = desired.due(tx, self.signer, now_ns, self.clock.speed)
        self.publish(publish)
        return ()

    def _send_wishes(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            delivered = wishes.deliver(tx, now_ns)
            publish = self.signer.sign_known(tx, wishes.due(tx, now_ns, self.clock.speed))
        self.publish(publish)
        return delivered

    def _learn(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            return startup.turn(tx, self.programmes, self._zone, now_ns)

    def _climb(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            climbed = climb_due(tx, now_ns)
        self._stuck = climbed.failed
        return climbed.patients

    def _failing(self) -> dict[str, str]:
        """The parts that fail, and how."""
        found = {"watch": self._again.values(), "escalation": self._stuck.values()}
        return {part: ", ".join(sorted(set(why))) for part, why in found.items() if why} | self._problems

    def _part(self, name: str, work: Callable[[], Iterable[str]]) -> None:
        try:
            self._tell(work())
        except Exception as error:  # noqa: BLE001 - it is logged and shown, and the other parts go on
            self._problems[name] = trouble.report(log, self._problems.get(name), error, f"{name} in this tick")
        else:
            self._problems.pop(name, None)

    def _tell(self, patient_ids: Iterable[str]) -> None:
        for patient_id in patient_ids:
            self.hub.patient_changed(patient_id)


def checked_municipality(config: Config) -> Municipality:
    """The municipality file, with what only the running server can tell to be wrong; raises ConfigError."""
    municipality = load_municipality(config.municipality)
    for gateway in municipality.gateways:
        if gateway.password_hash is None:
            if config.broker.tls is None:
                raise ConfigError(
                    f"{config.municipality}: gateway {gateway.id} has no password_hash, and there is no [broker.tls]",
                    "give it one of the two to come in by",
                )
        elif not well_formed(gateway.password_hash):
            raise ConfigError(
                f"{config.municipality}: the password_hash of gateway {gateway.id} is no $7$ hash",
                "make one with `hjemvakt server password`",
            )
        if gateway.id == broker.SERVER:
            raise ConfigError(
                f"{config.municipality}: a gateway cannot be called {gateway.id!r}",
                "choose another name: that one is the server's own on the broker",
            )
    return municipality


def check_limits(programmes: Programmes, people: Iterable[patients.PatientRecord | Patient]) -> None:
    """That everybody's programme is there and takes their limits; raises ConfigError that names the patient."""
    for person in people:
        try:
            programmes.limits(person.programme, person.limits)
        except ConfigError as error:
            raise ConfigError(f"patient {person.id}: {error.text}", error.mend) from error


async def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigError, StoreError or LinkError if it cannot begin."""
    import uvicorn

    from server import site

    with contextlib.ExitStack() as stack:
        config.data.mkdir(parents=True, exist_ok=True)
        stack.enter_context(kept(config.data))
        server = Server(config)
        stack.callback(server.close)
        page = stack.enter_context(_listening(config.web.host, config.web.port))
        running = _broker_for(server)
        stack.callback(running.stop)
        inbox = Inbox(running.endpoint, server.receive_many)
        server.publish = inbox.publish
        server.hub.deaf = inbox.failing
        inbox.start()
        stack.callback(inbox.stop)
        meter = server.meter
        engine = Engine(server.decide, server.clock, config.tick_s, took=meter.rounds_of("engine"))
        post = Engine(server.deliver, server.clock, config.tick_s, name="post", took=meter.rounds_of("post"))
        folding = Engine(server.fold, server.clock, 1.0, name="fold", took=meter.rounds_of("fold"))
        for name, one in (("engine", engine), ("post", post), ("fold", folding)):
            one.start()
            stack.callback(one.stop)
            meter.watch(name, one.age_s)
        server.broker_name, server.tick_age_s = running.name, engine.age_s
        server.watches += [running.problem, inbox.problem, engine.problem, post.problem, folding.problem]
        if config.influx is not None:
            _feed_outside(server, config.influx, stack)

        class Site(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                """uvicorn would kill the process by the signal once it has stopped, and us before we have."""
                loop = asyncio.get_running_loop()
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(number, self.handle_exit, number, None)
                try:
                    yield
                finally:
                    for number in (signal.SIGTERM, signal.SIGINT):
                        loop.remove_signal_handler(number)

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                if not await asyncio.to_thread(inbox.wait_until_listening, LISTEN_S):
                    log.warning("the broker does not answer; going on without it until it does")
                _keep_what_is_there()
                host, port = page.getsockname()[:2]
                at = running.endpoint
                log.info("ready http://%s:%s broker %s %s:%s", host, port, running.name, at.host, at.port)

        settings = uvicorn.Config(
            site.build(server), log_level="warning", access_log=False, timeout_graceful_shutdown=STOP_S, lifespan="on"
        )
        async with _hubs_door(server, stack):
            await Site(settings).serve(sockets=[page])
    log.info("stopped")


def _feed_outside(server: Server, config: Influx, stack: contextlib.ExitStack) -> None:
    from server.readings.outside import fed  # the client is heavy, and most servers do without it

    feed = stack.enter_context(fed(config, server.db, server.clock))
    server.watches.append(feed.problem)
    server.meter.registry.register(Feeds(feed))


def _keep_what_is_there() -> None:
    """What is in memory by now stays for good: the garbage collector need not look through it with every batch."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


@contextlib.asynccontextmanager
async def _hubs_door(server: Server, stack: contextlib.ExitStack) -> AsyncIterator[None]:
    """Where hubs redeem their codes, for as long as this lasts; nothing where hubs have passwords."""
    tls = server.config.broker.tls
    if tls is None or server.keeper is None:
        yield
        return
    from server.identity.door import opened

    listening = stack.enter_context(_listening(tls.host, tls.claim_port))
    async with opened(server, server.keeper, listening):
        log.info("hubs come in at %s:%d and redeem codes at https://%s:%d", tls.names[0], tls.port,
                 tls.names[0], listening.getsockname()[1])  # fmt: skip
        yield


def _broker_for(server: Server) -> Running:
    hashes = {one.id: one.password_hash for one in server.municipality.gateways if one.password_hash is not None}
    keeper = server.keeper
    running = broker.start(
        server.config.broker, hashes, server.config.data / "broker", keeper.papers() if keeper else None
    )
    if keeper:
        keeper.keep(running.renew)
    return running


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise LinkError(f"cannot serve on {host}:{port} ({error.strerror})", "set another port under [web]") from error
