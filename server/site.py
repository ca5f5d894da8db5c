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

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.access.door import Door
from server.access.guard import watched
from server.access.oidc import Provider
from server.access.scopes import Scopes
from server.audit.store import Looks
from server.audit.witness import Witness
from server.house import House
from server.lane import Keeper, Lane
from server.metrics.routes import Gate
from server.programmes.trial import Trials
from server.refusals import ANSWERS, apology, problem
from server.rooms import ROUTES
from server.version import program_version

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
        lifespan=lifespan, routes=list(ROUTES), dependencies=[Depends(watched)],  # before what is added later, too
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
    for error, answer in ANSWERS.items():
        app.add_exception_handler(error, answer)
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
            await apology(error)(scope, receive, guarded)


def _refusal(method: str, path: str, headers: Headers) -> Response | None:
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return problem(
            403, f"requests from {origin} are refused; use the page that this server serves (a proxy must pass on Host)"
        )
    if method in SAFE:
        return None
    if origin is None and not path.startswith(MACHINES):
        return problem(403, "the Origin header is missing; send this server's own address in it")
    if "transfer-encoding" in headers:
        return problem(411, "the body has no stated length; send Content-Length")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BYTES:
        return problem(413, f"the body is too long; send at most {MOST_BYTES} bytes")
    return None


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
