"""The web: every route, the guards before them, and the staff page behind them.

Handlers are plain functions on FastAPI's threads, each with a short transaction; only the stream is asynchronous. The
guard is ASGI, not a wrapped response, so it cannot hold a stream back. It refuses what changes something from another
origin before any handler runs, and puts the security headers on every answer.
"""

import asyncio
import contextlib
import functools
import gzip
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from sse_starlette import EventSourceResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import trouble
from server.access.door import CARE, Anyone, Door, NeedsCode
from server.access.emergency import router as emergency
from server.access.guard import watched
from server.access.me import router as me
from server.access.oidc import Provider
from server.access.people import router as people
from server.access.routes import needs_code, unreadable
from server.access.routes import router as access
from server.access.scopes import Scope as Sight
from server.access.scopes import Scopes
from server.access.vault import Unreadable
from server.alarms.api import Conflict
from server.alarms.model import Refused
from server.alarms.routes import router as alarms
from server.api import About, Answered, Health
from server.audit.routes import router as audit
from server.audit.store import Looks
from server.audit.witness import Witness
from server.cases.routes import router as cases
from server.corrections import store as corrections
from server.corrections.routes import router as corrections_routes
from server.db import troubled
from server.escalation.routes import router as ladders
from server.filters.routes import router as filters
from server.first import Overtaken
from server.fleet import holders
from server.fleet.giving import router as giving
from server.fleet.routes import router as fleet
from server.handover.routes import router as handover
from server.held import store as held
from server.held.page import router as home_page
from server.held.routes import router as questions
from server.house import AtDoor, Here, House, Seen, Sees, problems
from server.identity.routes import for_hubs
from server.identity.routes import router as identity
from server.lane import GIVEN, LOOK, Given, Keeper, Lane
from server.metrics.routes import Gate
from server.metrics.routes import router as metrics
from server.notify.hooks import router as hooks
from server.notify.me import router as my_ways
from server.notify.page import router as answer_page
from server.notify.routes import router as phone
from server.oncall.routes import router as oncall
from server.orders.routes import router as orders
from server.patients.routes import router as patients
from server.presence.model import Viewer
from server.presence.routes import router as presence
from server.programmes.routes import router as programmes
from server.programmes.trial import Trials
from server.readings.routes import router as readings
from server.reports.routes import router as reports
from server.reviews.routes import router as reviews
from server.startup import store as startup
from server.startup.routes import router as proposals
from server.version import program_version
from server.worklist import Worklist
from vitals.clock import MS

log = logging.getLogger(__name__)

DIST = Path(__file__).parent / "web" / "dist"
MOST_BYTES = 65_536
PACKED = {".js": "text/javascript", ".css": "text/css"}
"""What of the page's assets is sent gzipped, and as what."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MACHINES = "/hooks/"
"""Where programs speak that have no page and so no origin; they show a secret each time (`server.notify.hooks`)."""

_SECURITY = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_AT_HOME = {"referrer-policy": "same-origin", "cache-control": "no-store"}
"""For the page behind a key: its form must say where it comes from, and nobody keeps what it showed."""

_OUR_MISTAKE = "the server made a mistake; try again, and if it stays, tell an administrator to read the log"
_NOT_STORED = "the server cannot store anything: {}; tell an administrator, and then try again"
_AWAY = "the database does not answer just now; look whether it was done, and if not, try again in a moment"
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Hjemvakt</title>
<h1>The staff page is not built</h1><p>The server runs, and its API answers under <code>/api</code>.
Build the page: in <code>server/web</code> run <code>npm ci</code> and <code>npm run build</code>, then reload.</p>
</html>
"""


def build(house: House, *, door: Door | None = None, dist: Path = DIST) -> FastAPI:
    """The application. `door` and `dist` are for tests: another wall clock, another built page."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        pump = asyncio.create_task(house.hub.pump())
        try:
            yield
        finally:
            await asyncio.to_thread(app.state.trials.close)
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    app = FastAPI(
        title="Hjemvakt", version=program_version(), docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        lifespan=lifespan, dependencies=[Depends(watched)],
    )  # fmt: skip
    app.state.house = house
    web, oidc = house.config.web, house.config.oidc
    app.state.door = door or Door(house.db, secure=web.secure, provider=Provider(oidc, web.address) if oidc else None)
    app.state.looks = Looks(house.db)
    app.state.gate = Gate(house.config.metrics)
    app.state.trials = Trials(house.db)
    app.state.scopes = Scopes(lambda: house.clock.now_ns())
    app.add_middleware(Witness, looks=app.state.looks, now_ns=lambda: house.clock.now_ns())
    app.add_middleware(Guard)
    app.state.lane = Lane(house, app.state.looks, app.state.door)
    app.add_middleware(Keeper, lane=app.state.lane)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(400, _unreadable)
    app.add_exception_handler(sa.exc.OperationalError, _not_stored)
    app.add_exception_handler(NeedsCode, needs_code)
    app.add_exception_handler(Unreadable, unreadable)
    app.add_exception_handler(Refused, _conflict)
    app.add_exception_handler(held.Refused, _answered)
    app.add_exception_handler(corrections.Refused, _answered)
    app.add_exception_handler(startup.Refused, _answered)
    app.add_exception_handler(holders.Refused, _answered)
    app.add_exception_handler(Overtaken, _answered)
    for router in (
        access, me, people, emergency, audit, patients, readings, corrections_routes, orders, alarms, cases, questions,
        phone, fleet, giving, identity, for_hubs, home_page, metrics, proposals, my_ways, answer_page, hooks, presence,
        filters, reviews, oncall, ladders, handover, reports, programmes,
    ):  # fmt: skip
        app.include_router(router)
    _own_routes(app)
    _page(app, dist)
    return app


class Guard:
    """Refuses requests from elsewhere and bodies without end; sets the headers, also on the answer to our own mistake.

    A handler that raises is answered here and not by the framework, whose answer would pass by the headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        api, home = scope["path"].startswith("/api/"), scope["path"].startswith(("/q/", "/a/"))
        answering = False

        async def guarded(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY.items():
                    headers[name] = value
                for name, value in _AT_HOME.items() if home else ():
                    headers[name] = value
                if api:
                    headers["cache-control"] = "no-store"
            await send(message)

        refusal = _refusal(scope["method"], scope["path"], Headers(scope=scope))
        try:
            await (refusal or self._app)(scope, receive, guarded)
        except Exception as error:
            if answering:
                raise
            log.exception("a request failed: %s", scope["method"])
            await _apology(error)(scope, receive, guarded)


def _apology(error: Exception) -> Response:
    found = trouble.known(error)
    if found is not None:
        return _problem(503, _NOT_STORED.format(found))
    return _problem(503, _AWAY) if troubled(error) else _problem(500, _OUR_MISTAKE)


def _refusal(method: str, path: str, headers: Headers) -> Response | None:
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return _problem(403, f"requests from {origin} are refused; use the page that this server serves")
    if method in SAFE:
        return None
    if origin is None and not path.startswith(MACHINES):
        return _problem(403, "the Origin header is missing; send this server's own address in it")
    if "transfer-encoding" in headers:
        return _problem(411, "the body has no stated length; send Content-Length")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BYTES:
        return _problem(413, f"the body is too long; send at most {MOST_BYTES} bytes")
    return None


def _own_routes(app: FastAPI) -> None:
    @app.get("/api/about", operation_id="getAbout", tags=["site"])
    def about(here: Here) -> About:
        """Who answers, and what time it is there."""
        clock, config = here.clock, here.config
        return About(
            version=program_version(), demo=config.demo, now_ms=clock.now_ns() // MS, speed=clock.speed,
            certificates=config.broker.tls is not None, provider=config.oidc.name if config.oidc else None,
        )  # fmt: skip

    @app.get("/api/health", operation_id="getHealth", tags=["site"])
    def health(here: Here) -> Health:
        """For a monitor."""
        return here.health()

    @app.get("/api/worklist", operation_id="getWorklist", tags=["worklist"], response_model=Worklist,
             responses={304: {"description": "the rows are as they were"}, **problems(401)})  # fmt: skip
    def worklist(account: Anyone, sight: Sees, here: Here, looks: Seen, request: Request) -> Response:
        """Every patient who is yours, the worst first, then the longest waiting.

        Its `ETag` is that of the rows: whoever has the same (`If-None-Match`) is told no more than that."""
        looks.saw(here.clock.now_ns(), account.id, LOOK)
        shown = here.hub.shown(account.role, sight)
        setattr(request.state, GIVEN, Given(account.id, sight, shown))
        had = request.headers.get("if-none-match", "")
        if shown.tag in (one.strip() for one in had.split(",")):
            return Response(status_code=304, headers={"etag": shown.tag})
        return Response(here.hub.page(shown), media_type="application/json", headers={"etag": shown.tag})

    @app.get("/api/stream", operation_id="stream", tags=["worklist"], response_class=EventSourceResponse,
             responses=problems(401, 403, 422))  # fmt: skip
    async def stream(
        account: Anyone,
        request: Request,
        here: Here,
        door: AtDoor,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        """Named events: hello, row, patient, glass, phone, viewed, viewing, beat, resync (see server/live.py)."""
        scopes: Scopes = request.app.state.scopes

        def ask() -> Sight | None:
            now = door.who(request, use=False)
            if now is None or now.role != account.role:
                return None
            with here.db.read() as tx:
                return scopes.of(tx, now)

        viewer = Viewer(account.name, account.id) if account.role in CARE else None
        events = here.hub.stream(account.role, last_event_id, ask, viewer)
        return EventSourceResponse(events, ping=0, send_timeout=30)


def _page(app: FastAPI, dist: Path) -> None:
    """The built page: files by name, and `index.html` for every path of the page's own."""

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str, request: Request) -> Response:
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404, f"there is no /{path}; see /api/openapi.json for what there is")
        index = dist / "index.html"
        if not index.is_file():
            return HTMLResponse(_NOT_BUILT, 503)
        file = _file(dist, path)
        if file is not None:
            # The build names its assets by their content, so they never change.
            kept = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
            kind = PACKED.get(file.suffix) if path.startswith("assets/") else None
            if kind and "gzip" in request.headers.get("accept-encoding", ""):
                headers = {"cache-control": kept, "content-encoding": "gzip", "vary": "accept-encoding"}
                return Response(_packed(file), media_type=kind, headers=headers)
            return FileResponse(file, headers={"cache-control": kept})
        if "." in path.rsplit("/", 1)[-1]:
            raise HTTPException(404, f"there is no file /{path}; reload the page")
        return FileResponse(index, headers={"cache-control": "no-cache"})


@functools.lru_cache(maxsize=64)
def _packed(file: Path) -> bytes:
    """The file as it travels: a slow line is what a first visit waits for. Its name says its content: once will do.

    Only what is the same for everybody is packed: what is told of patients is not squeezed together with a request.
    """
    return gzip.compress(file.read_bytes(), 9)


def _file(dist: Path, path: str) -> Path | None:
    """The file of that name under `dist`, if there is one."""
    try:
        file = (dist / path).resolve()
        return file if file.is_relative_to(dist.resolve()) and file.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)


async def _unfit(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, one['loc'][1:])) or one['loc'][0]}: {one['msg']}" for one in error.errors())
    return _problem(422, f"{said}; correct it and send it again")


async def _unreadable(_request: Request, _error: Exception) -> Response:
    """A body that is no text at all: the framework would call that by another number than everything else unfit."""
    return _problem(422, "body: it cannot be read; send JSON in UTF-8")


async def _not_stored(_request: Request, error: Exception) -> Response:
    """What was asked for is not done. Where only our own mistake can be the cause, it is answered as one."""
    found = trouble.known(error)
    if found is None:
        raise error
    return _problem(503, _NOT_STORED.format(found))


async def _conflict(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    t_ms = None if error.at_ns is None else error.at_ns // MS
    conflict = Conflict(detail=f"{error.text}; {error.mend}", who=error.who, state=error.state, t_ms=t_ms)
    return JSONResponse(conflict.model_dump(), 409)


async def _answered(_request: Request, error: Exception) -> Response:
    assert isinstance(error, held.Refused | corrections.Refused | startup.Refused | holders.Refused | Overtaken)
    return JSONResponse(Answered(detail=f"{error.text}; {error.mend}", who=error.who).model_dump(), 409)
