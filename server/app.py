"""The server put together.

`Server` is everything that decides and remembers, without a network: messages go in, acknowledgements come out, and
`tick` does what the clock makes due. A test holds it in its hand with a manual clock. `server.serving` gives it a
broker, an ear, a site and an engine.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import get_args

import sqlalchemy as sa

import server.access.store as access
import server.escalation.store as ladders
import server.fleet.store as fleet
import server.ingest.store as ingest
import server.oncall.store as oncall
import server.patients.store as patients
import server.programmes.store as in_force
from server import broker, revisions, trouble
from server.access import organisations, steps
from server.access.vault import Vault
from server.alarms import at_home
from server.alarms.table import open_count
from server.api import Health
from server.audit.heads import Heads
from server.broker.accounts import well_formed
from server.config import Config, zone_of
from server.db import Database, troubled
from server.decisions.record import looked
from server.decisions.retention import prune
from server.escalation.ladder import read as load_ladders
from server.escalation.setback import Machine, Setback, Shown
from server.escalation.tick import climb_due, set_back
from server.fleet import desired
from server.fleet.seals import Signer
from server.held.home import Homes
from server.identity.authority import Authority
from server.identity.desk import Desk as IdentityDesk
from server.identity.desk import is_renewal
from server.identity.keeper import Keeper
from server.ingest.store import Early, Message
from server.keeping import AUTHORITY, refuse_half_restored
from server.live.hub import Hub
from server.metrics.meter import Meter
from server.metrics.standing import Standing
from server.municipality import Municipality, load_municipality
from server.notify import outbox
from server.notify.answers import Desk
from server.notify.delivery import Post, deliver_due, report
from server.notify.emergency import Emergency
from server.notify.keys import Keys
from server.notify.lane import Lane
from server.notify.phone import FakePhone
from server.notify.sender import Channel, Sender
from server.notify.senders import senders
from server.notify.senders.modem import Heard, Modem, Report
from server.orders import tick as orders
from server.orders.store import heard
from server.patients.programmes import Programmes, check_limits
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
from vitals.errors import ConfigError

log = logging.getLogger(__name__)

TELLING = "watch", "escalation"
"""The parts without which no alarm is raised, or none climbs."""

MOST_FAILURES = 64
"""So many times may the rules fail in one look before the rest waits for the next: enough to find five in thousands."""

FOLD_S = 60.0
"""What is filed becomes chunks after so long, in seconds of the wall, some pieces in each round of the fold..."""

FOLD_PEOPLE, FOLD_PIECES = 250, 4
"""A piece is of so many people, and so many pieces are in a round: a hundredth of a second of a core each, of which the
database is held for a fraction."""

FOLD_READINGS = 400_000
"""...or when there are so many: the more at once, the less each costs."""

PRUNE_S = 3600.0
"""How often it is looked what nobody needs any more, in the clock's seconds."""

LOOKED_AT = 500
"""So many people in one transaction when everybody is looked at: a twentieth of a second that readings wait..."""

RAISED_AT = 50
"""...and so many where alarms changed of a tenth of those before them: an alarm that is raised takes a hundred times as
long as a look, and when a whole network is away they are all raised at once."""

CLIMBED_AT = 20
"""So many alarms climb in one transaction: what they tell goes out, and readings come in, before the next do."""

CLIMB_S = 5.0
"""So long may the climbing of a turn take, in seconds of the wall: whoever watches the engine must not take thousands
of alarms at once for a turn that stands still."""

LOG_COPIED_S = 5.0
"""How often the database's log is copied into its file, in seconds of the wall."""

RESTS, REST_S = 2, 0.2
"""A look at everybody and a fold rest between two pieces so many times as long as a core worked for the last, but no
longer than this: rows are told meanwhile, and readings taken in. The less of the interpreter they take at a time, the
less whoever was measured waits for it."""


class Server:
    """The server without a network. `clock`: None for the one in `config`. `machine`: reads its steady clock, too.

    Raises ConfigError for a municipality, ladders or programmes that cannot be used, StoreError for a database that
    cannot be. Thread-safe: writers take turns in the database.
    """

    def __init__(self, config: Config, clock: Clock | None = None, machine: Machine = Shown) -> None:
        self.config = config
        self.clock: Clock = config.clock if clock is None else clock
        self.broker_name = "none"
        self.municipality = checked_municipality(config)
        self.programmes: Programmes = load_programmes(config.programmes)
        config.data.mkdir(parents=True, exist_ok=True)
        refuse_half_restored(config.data)  # before anything is made there
        self.db = Database(config.database.where(config.data))
        self.vault = Vault.open(config.data / AUTHORITY)
        self._setback = Setback(machine, self.clock.speed)
        started_ns = self.clock.now_ns()
        self._open(started_ns)
        self.signer = Signer(config.data / "authority")
        self.meter = Meter()
        self.meter.registry.register(Standing(self, program_version()))
        rows = Rows(self.db, self.programmes, self.clock)
        self.hub = Hub(rows, self.clock, phones_for_all=config.demo, counted=rows.access_count)
        self.phone = FakePhone(self.db, self.hub.phone, links=config.demo)
        shown: tuple[Channel, ...] = get_args(Channel) if config.demo else ("sms",)
        keys = config.data / AUTHORITY
        self.senders: dict[str, Sender] = dict.fromkeys(shown, self.phone) | senders(config.notify, keys)
        self._emergency = Emergency(self.db, self.senders, config.database.call_again_min * 60)
        self._zone = zone_of(config.time_zone, "server.toml")
        answered = Keys.open(keys, config.web.address, replies=config.notify.replies)
        self.answers = Desk(answered, self._zone, config.acknowledge_expires_s)
        homes = self._homes = Homes(config.web.address, self._zone)
        self._post = Post(self.db, self.senders, homes, answered)
        self.desk: IdentityDesk | None = None
        self.keeper: Keeper | None = None
        if config.broker.tls:
            authority = Authority.open(config.data / "authority")
            self.desk = IdentityDesk(self.db, authority, config.broker.tls)
            self.keeper = Keeper(self.db, authority, config.broker.tls)
        self.watches: list[Callable[[], str | None]] = [self.db.problem, self._emergency.problem, self._setback.problem]
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
        self._heads = Heads(self.db, self.signer, config.heads)
        self._problems: dict[str, str] = {}
        self._through_s = dict.fromkeys(TELLING, time.monotonic())
        """When each part got through last, in seconds of the wall."""
        self._stuck: dict[int, str] = {}
        """Alarms that cannot climb, and why."""
        self._again: dict[str, str] = {}
        """On whom the rules failed, and how; the next tick looks at them again."""
        self._failing_on: set[str] = set()
        """On whom they failed last when they were looked at alone."""
        self._looked_ns: int | None = None
        self._folded_ns: int | None = None
        self._fold_until = 0
        """Up to which row of the journal it is time to fold."""
        self._copied_s = time.monotonic()
        self._pruned_ns: int | None = None
        self._leaving = threading.Event()

    def receive(self, topic: str, payload: bytes) -> list[Message]:
        """One message in; what to publish now that it is stored."""
        return self.receive_many([(topic, payload)])

    def receive_many(self, messages: Sequence[Message], early: Sequence[Early] = ()) -> list[Message]:
        """Messages in, in one transaction; what to publish now that they are stored. `early`: what was read of some.

        Raises where the database cannot take them: then nothing is stored and nothing may be acknowledged. A message
        that the server stumbles over by itself is set aside, unacknowledged, so that it holds nobody up.
        """
        try:
            return self._receive(messages, early)
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
        self.climb(now_ns)
        self.deliver(now_ns)
        self.call(now_ns)
        self.fold(now_ns)

    def decide(self, now_ns: int) -> None:
        """Look at people and ask homes: what must be said is queued."""
        if self.keeper:
            self._part("identity", self.keeper.turn)
        self._part("orders", lambda: self._turn_orders(now_ns))
        self._part("configurations", lambda: self._send_configurations(now_ns))
        self._part("watch", lambda: self._look_around(now_ns))
        self._part("wishes", lambda: self._send_wishes(now_ns))
        self._part("start-ups", lambda: self._learn(now_ns))
        self._part("questions", lambda: self._ask(now_ns))

    def climb(self, now_ns: int) -> None:
        """Climb the ladders that are due: what must be said is queued. It has an engine of its own: no step waits for a
        look at everybody."""
        self._part("escalation", lambda: self._climb(now_ns))

    def deliver(self, now_ns: int, but: Collection[str] = ()) -> None:
        """Send what is queued, by all channels but these. It may take as long as the slowest provider, so each channel
        has a lane of its own besides."""
        self._part("notify", lambda: deliver_due(self._post, now_ns, but))

    def lane(self, channel: str) -> Lane:
        """The way out by that channel alone."""
        together = self.config.notify.together(channel)
        return Lane(channel, together, self._post, self.clock, self.hub.patient_changed)

    def deliver_by(self, lane: Lane, _now_ns: int) -> None:
        """Send what is queued for that way out."""
        self._part(f"notify by {lane.channel}", lane.turn)

    def listen(self, _now_ns: int) -> None:
        """Read what has come to the modem, where there is one."""
        modem = self.senders.get("sms")
        if isinstance(modem, Modem):
            self._part("modem", lambda: self._listen(modem))

    def heard(self, messages: Iterable[tuple[str, str, str]], reports: Iterable[tuple[str, str | None, bool]]) -> None:
        """Text messages that came in (name, sender, text), and reports on those that went out (reference, to whom,
        whether delivered): stored when this returns. Each may come twice."""
        with self.db.write() as tx:
            now_ns = self.clock.now_ns()
            changed = [self.answers.hear(tx, key, sender, text, now_ns) for key, sender, text in messages]
            changed += [report(tx, "sms", reference, good, now_ns, to) for reference, to, good in reports]
        self._tell(patient for patient in changed if patient)

    def call(self, now_ns: int) -> None:
        """Call somebody when nothing can be written. It has an engine of its own, and waits for no disk."""
        self._part("emergency", lambda: self._call(now_ns))

    def fold(self, now_ns: int) -> None:
        """Turn what has been filed into chunks, once there is enough of it or it has waited long enough; and let go of
        what nobody needs any more."""
        self._part("fold", lambda: self._fold(now_ns))
        self._part("log", self._copy_log)
        self._part("retention", lambda: self._prune(now_ns))

    def seal_audit(self, now_ns: int) -> None:
        """Carry the audit trail's head out of the database."""
        self._part("audit", lambda: self._export_head(now_ns))

    def look(self, tx: sa.Connection, new: New, now_ns: int) -> set[str]:
        """Run the rules for whoever something was filed of just now, in `tx`; returns whose alarms changed."""
        looked(tx, now_ns, last_seq(tx), {patient: len(what) for patient, what in new.items()})
        return self._look(tx, new.keys(), now_ns, new)

    def health(self) -> Health:
        """For a monitor: no personal data. It answers without the database too, and says then what it cannot count."""
        problems = self.problems()
        stored = quarantined = alarms = late_s = None
        try:
            with self.db.read() as tx:
                stored, quarantined, alarms = ingest.stored(tx), fleet.counts(tx).quarantined, open_count(tx)
                late_s = round(outbox.late_s(tx, self.clock.now_ns()), 3)
        except Exception as error:
            if not troubled(error):
                raise
        return Health(
            status="degraded" if problems else "ok", problems=problems, broker=self.broker_name, stored=stored,
            quarantined=quarantined, open_alarms=alarms, tick_age_s=round(self._age_s(), 3),
            outbox_late_s=late_s,
        )  # fmt: skip

    def _age_s(self) -> float:
        """How long ago the engine turned last, or a part that alarms hang on got through: whichever is longer ago."""
        return max(self.tick_age_s(), *(time.monotonic() - self._through_s[part] for part in TELLING))

    def calls(self) -> bool:
        """Whether an alarm would be raised, climb and get out, as far as the last round tells."""
        failing = self._failing().keys()
        return self.db.problem() is None and not any(
            part.startswith(("watch", "escalat", "notify")) for part in failing
        )

    def problems(self) -> list[str]:
        """What is wrong: no personal data."""
        problems = [problem for ask in self.watches if (problem := ask())]
        return problems + [f"{part} fails ({why})" for part, why in sorted(self._failing().items())]

    @property
    def channels(self) -> list[Channel]:
        """What a person may choose to be reached by."""
        return [one for one in get_args(Channel) if one in self.senders]

    def leave(self) -> None:
        """End what goes through everybody after the piece it is at: all of it is begun anew after the next start."""
        self._leaving.set()

    def close(self) -> None:
        for sender in self.senders.values():
            if isinstance(sender, Modem):
                sender.close()
        self.db.close()

    def _open(self, now_ns: int) -> None:
        """The database, at the newest revision, with what the municipality's files say now."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.db.close)
            self.db.reach()
            revisions.upgrade(self.db)
            catch_up(self.db)
            with self.db.write() as tx:
                self._apply(tx, now_ns)
                memory_of(tx)  # made now: the first readings need not wait for it
                self._setback.begin(tx)
                seen = self._bring_forward(tx, now_ns)  # before anything is due by the clock as it is now
            seen()
            undo.pop_all()

    def _apply(self, tx: sa.Connection, now_ns: int) -> None:
        answers.refuse_listed(one.device for one in self.municipality.assignments)
        in_force.apply(tx, self.programmes, now_ns)
        found = in_force.in_force(tx, self.programmes)
        self.programmes.put(*map(found.of, found.names))
        # Before they are written: no database need take a limit that is no number.
        check_limits(self.programmes, self.municipality.patients)
        organisations.apply(tx, self.municipality, now_ns)
        patients.apply(tx, self.municipality, now_ns)
        fleet.apply(tx, self.municipality, now_ns)
        access.apply(tx, self.municipality, now_ns)
        steps.seal_plain(tx, self.vault)
        organisations.apply_relations(tx, self.municipality, now_ns)
        oncall.apply(tx, self.municipality, now_ns, self.config.time_zone)
        book = load_ladders(self.config.ladders)
        ladders.apply(tx, book.ladders, now_ns, book.office, self.config.time_zone)
        startup.apply(tx, self.programmes, now_ns)
        check_limits(self.programmes, patients.all_patients(tx))
        answers.assign(tx, self.programmes, now_ns)
        wishes.compose(tx, self.programmes, None, now_ns)

    def _receive(self, messages: Sequence[Message], early: Sequence[Early]) -> list[Message]:
        now_ns, began_s = self.clock.now_ns(), time.monotonic()
        changed: set[str] = set()
        try:
            with self.db.write() as tx:
                messages, renewed = self._renew(tx, messages)
                taken = ingest.take(tx, messages, now_ns, self.clock.speed, self.config.fleet.offline_after_s, early)
                ordered = heard(tx, taken.new.events)
                changed = taken.changed | taken.new.keys() | ordered
                if look := taken.new.keys() | ordered | taken.look:
                    if unfiled := look - taken.new.keys():
                        looked(tx, now_ns, last_seq(tx), dict.fromkeys(unfiled, 0))
                    changed |= self._look(tx, look, now_ns, taken.new)
                    changed |= at_home.trace(tx, changed)
        finally:
            self._tell(changed)  # also where the commit seems to have failed: if it is there, this is no news again
        self.meter.took_in(taken.tally, taken.new.received_ns(), self.clock.now_ns(), time.monotonic() - began_s)
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
        readings are kept, and whoever is left is looked at again with the next tick. On whom they are known to fail
        comes last and apart: where they are many, such as all of a programme, those between them must have their turn.
        """
        changed: set[str] = set()
        known = self._failing_on.intersection(people)
        groups: list[Collection[str]] = [one for one in (known, set(people) - known) if one]
        failures = 0
        while groups:
            group = groups.pop()
            try:
                with tx.begin_nested():
                    changed |= self._watch.look(tx, group, now_ns, new)
                self._failing_on.difference_update(group)
            except Exception as error:
                if troubled(error):
                    raise
                failures += 1
                named = sorted(group)
                if len(named) > 1 and failures < MOST_FAILURES:
                    groups += [named[: len(named) // 2], named[len(named) // 2 :]]
                    continue
                if len(named) == 1:
                    self._failing_on.update(named)
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
        self._tell(changed)
        done, most = 0, LOOKED_AT
        while done < len(people):
            began_s = time.thread_time()
            with self.db.write() as tx:  # between two of them readings are taken in
                changed = self._look(tx, people[done : done + most], now_ns, {})
            self._tell(changed)  # now: should the next one fail, nobody ever would
            done += most
            most = RAISED_AT if len(changed) * 10 > most else LOOKED_AT
            if done < len(people) and not self._rested(began_s):
                return ()
        self._looked_ns = now_ns if everybody else looked_ns
        return ()

    def _listen(self, modem: Modem) -> Iterable[str]:
        def take(heard: list[Heard], reports: list[Report]) -> None:
            known = ((one.reference, one.to, one.delivered) for one in reports if one.delivered is not None)
            self.heard([(f"modem/{one.id}", one.sender, one.text) for one in heard], known)

        modem.listen(take)
        return ()

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
        if self._folded_ns is None or not 0 <= now_ns - self._folded_ns < FOLD_S * self.clock.speed * NS:
            self._folded_ns = now_ns
            with self.db.read() as tx:
                self._fold_until = last_seq(tx)
        for _ in range(FOLD_PIECES):  # what is left waits for the next round, and nobody for it
            began_s = time.thread_time()
            if not fold(self.db, up_to=self._fold_until, people=FOLD_PEOPLE) or not self._rested(began_s):
                break
        while not self._leaving.is_set() and fold(self.db, at_least=FOLD_READINGS):
            pass
        return ()

    def _rested(self, began_s: float) -> bool:
        """Rest after a piece that this thread's core began at `began_s`; False: there is no next one, the server
        leaves."""
        return not self._leaving.wait(min(RESTS * (time.thread_time() - began_s), REST_S))

    def _copy_log(self) -> Iterable[str]:
        if time.monotonic() - self._copied_s >= LOG_COPIED_S:
            self.db.checkpoint()
            self._copied_s = time.monotonic()
        return ()

    def _prune(self, now_ns: int) -> Iterable[str]:
        if self._pruned_ns is None or not 0 <= now_ns - self._pruned_ns < PRUNE_S * NS:
            prune(self.db, now_ns - round(self.config.decisions.replayed_days * 86_400 * NS))
            self._pruned_ns = now_ns
        return ()

    def _export_head(self, now_ns: int) -> Iterable[str]:
        self._heads.export(now_ns)
        return ()

    def _send_configurations(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            publish = desired.due(tx, self.signer, now_ns, self.clock.speed)
        self.publish(publish)
        return ()

    def _send_wishes(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            delivered = wishes.deliver(tx, now_ns)
            wishes.begin(tx, self.programmes, now_ns)
            publish = self.signer.sign_known(tx, wishes.due(tx, now_ns, self.clock.speed))
        self.publish(publish)
        return delivered

    def _learn(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            return startup.turn(tx, self.programmes, self._zone, now_ns)

    def _climb(self, now_ns: int) -> Iterable[str]:
        with self.db.write() as tx:
            seen = self._bring_forward(tx, now_ns)
        seen()
        began_s, failed, more = time.monotonic(), dict[int, str](), True
        while more:
            with self.db.write() as tx:
                climbed = climb_due(tx, now_ns, CLIMBED_AT, failed)
            self._tell(climbed.patients)
            failed |= climbed.failed
            more = climbed.more
            if time.monotonic() - began_s >= CLIMB_S:
                break
        self._stuck = self._stuck | failed if more else failed
        return ()

    def _bring_forward(self, tx: sa.Connection, now_ns: int) -> Callable[[], None]:
        """What waits by a clock that was set back; returns what to call once that is committed."""
        by_ns, seen = self._setback.look(tx, now_ns)
        if by_ns:
            set_back(tx, by_ns, now_ns)
            fleet.set_back(tx, now_ns)
        return seen

    def _call(self, now_ns: int) -> Iterable[str]:
        self._emergency.turn(now_ns, time.monotonic())
        return ()

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
            self._through_s[name] = time.monotonic()

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
