"""The server as a process: a broker, an ear, a site, and an engine for each part that the clock makes due."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

from server import broker, reign
from server.app import Server
from server.audit.heads import EVERY_S
from server.broker import Running
from server.config import Config, Influx
from server.engine import Engine
from server.escalation.setback import machine_of
from server.heart import LOOK_S, Heart
from server.ingest.inbox import Inbox
from server.ingest.reader import Reader
from server.keeping import Taken
from server.metrics.feeds import Feeds
from vitals.errors import LinkError

log = logging.getLogger(__name__)

LISTEN_S = 5
"""So long the start waits for the broker; an external one may come later than we."""

NEVER = 2**31 - 1
GARBAGE = 20_000, NEVER, NEVER
"""So many new objects before their garbage is looked for, and never by itself among those that have stayed: everything
stands still meanwhile, 4 ms for these. No fewer: what a portion of a flood is opened into is more than half as many,
and lives no longer than the portion. What is filed stays until it is folded, so nearly all else stays, and what is let
go of later hardly ever holds itself."""

GARBAGE_S = 3600.0
"""How often it is looked for among all the same, in seconds of the wall."""

SWITCH_S = 0.001
"""So long may a thread that computes keep those waiting that only pass something on: each send, commit and wait asks
for a turn anew, and with Python's five milliseconds a busy engine would make a stream of small pieces stand still."""

MODEM_S = 3.0
"""How often the modem is asked what has come."""

POST_STUCK_S = 120.0
"""A way out may be slow (a modem, a provider that does not answer): a hundred messages at a few seconds each."""

POST_REST_S = 3.0
"""So long may what is on its way take when the server is asked to stop; what does not arrive by then is sent again."""

STOP_S = 3
"""So long may requests and streams take to end when the server is asked to stop."""


async def run(config: Config, *, standby: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigError, StoreError or LinkError if it cannot begin.

    `standby`: where another server acts on the same database, wait until it is gone.
    """
    import uvicorn

    from server import site
    from server.lane import Wire

    sys.setswitchinterval(SWITCH_S)
    with contextlib.ExitStack() as stack:
        config.data.mkdir(parents=True, exist_ok=True)
        reigning = await reign.begin(stack, config, standby=standby)
        server = Server(config, machine=machine_of(config.clock))
        stack.callback(server.close)
        page = stack.enter_context(listen(config.web.host, config.web.port))
        running = _broker_for(server)
        stack.callback(running.stop)
        reader = Reader(server.clock.speed)
        stack.callback(reader.stop)
        inbox = Inbox(running.endpoint, server.receive_many, reader)
        server.publish = inbox.publish
        server.hub.screens.deaf = inbox.failing
        inbox.start()
        stack.callback(inbox.stop)
        meter = server.meter
        engine = Engine(server.decide, server.clock, config.tick_s, took=meter.rounds_of("engine"))
        climbing = Engine(server.climb, server.clock, config.tick_s, name="ladder", took=meter.rounds_of("ladder"))
        folding = Engine(server.fold, server.clock, 1.0, name="fold", took=meter.rounds_of("fold"))
        cleaning = Engine(_clean, server.clock, GARBAGE_S, name="garbage")
        cleaning.start()
        stack.callback(cleaning.stop)
        heads = Engine(server.seal_audit, server.clock, EVERY_S, name="audit")
        heads.start()
        stack.callback(heads.stop)
        calling = Engine(server.call, server.clock, 1.0, name="emergency", took=meter.rounds_of("emergency"))
        posts = _posts(server, stack)
        turns = {"engine": engine, "ladder": climbing, "fold": folding, "emergency": calling, **posts}
        for name, one in turns.items():
            one.start()
            stack.callback(one.stop)
            meter.watch(name, one.age_s)
        for one in turns.values():  # all leave before one is waited for: no ladder climbs while a way out is shut
            stack.callback(one.leave)
        stack.callback(server.leave)
        turning = [one.problem for one in (engine, climbing, *posts.values())]
        heart = Heart(config.notify.heartbeat, lambda: not any(ask() for ask in turning), server.calls)
        beating = Engine(heart.beat, server.clock, LOOK_S, name="heart")
        beating.start()
        stack.callback(beating.stop)
        stack.callback(heart.tell, "STOPPING=1")
        server.broker_name, server.tick_age_s = running.name, engine.age_s
        server.watches += [running.problem, inbox.problem, heart.problem, *(one.problem for one in turns.values())]
        if reigning is not None:
            reigning.on_lost = partial(os.kill, os.getpid(), signal.SIGTERM)
            keeping = Engine(reigning.look, server.clock, reign.LOOK_S, name="reign")
            keeping.start()
            stack.callback(keeping.stop)
            server.watches.append(keeping.problem)
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
                heart.tell("READY=1")
                log.info("ready http://%s:%s broker %s %s:%s", host, port, running.name, at.host, at.port)

        settings = uvicorn.Config(
            site.build(server), http=Wire, log_level="warning", access_log=False, lifespan="on",
            timeout_graceful_shutdown=STOP_S,
        )  # fmt: skip
        async with _hubs_door(server, stack):
            await Site(settings).serve(sockets=[page])
    if reigning is not None and reigning.lost:
        raise Taken("another server acts on the database now", "start this one with --standby")
    log.info("stopped")


def _posts(server: Server, stack: contextlib.ExitStack) -> dict[str, Engine]:
    """An engine for each way out, one for whatever goes by none of them, and the ear of the modem."""
    turns: dict[str, Callable[[int], None]] = {"post": partial(server.deliver, but=list(server.senders))}
    for channel in server.senders:
        lane = server.lane(channel)
        turns[f"post-{channel}"] = partial(server.deliver_by, lane)
        stack.callback(lane.rest, POST_REST_S)
    if server.config.notify.modem:
        turns["modem"] = server.listen
    tick_s, rounds_of = server.config.tick_s, server.meter.rounds_of
    every_s = {"modem": max(MODEM_S, tick_s)}
    return {
        name: Engine(
            turn, server.clock, every_s.get(name, tick_s), stuck_s=POST_STUCK_S, name=name, took=rounds_of(name)
        )
        for name, turn in turns.items()
    }


def _feed_outside(server: Server, config: Influx, stack: contextlib.ExitStack) -> None:
    from server.readings.outside import fed  # the client is heavy, and most servers do without it

    feed = stack.enter_context(fed(config, server.db, server.clock))
    server.watches.append(feed.problem)
    server.meter.registry.register(Feeds(feed))


def _keep_what_is_there() -> None:
    """What is in memory by now stays for good: the garbage collector need not look through it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def _clean(_now_ns: int) -> None:
    gc.collect()


@contextlib.asynccontextmanager
async def _hubs_door(server: Server, stack: contextlib.ExitStack) -> AsyncIterator[None]:
    """Where hubs redeem their codes, for as long as this lasts; nothing where hubs have passwords."""
    tls = server.config.broker.tls
    if tls is None or server.keeper is None:
        yield
        return
    from server.identity.door import opened

    listening = stack.enter_context(listen(tls.host, tls.claim_port))
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


def listen(host: str, port: int) -> socket.socket:
    """A socket for the page; raises LinkError where it cannot be had.

    What it accepts sends at once: an answer is written in two, and over a connection that stays open its second part
    would wait for the browser to acknowledge the first, 40 ms. (asyncio sees to that only for sockets of its own.)
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        page = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise LinkError(f"cannot serve on {host}:{port} ({error.strerror})", "set another port under [web]") from error
    page.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return page
