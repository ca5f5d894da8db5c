"""The witness: no answer about a patient leaves the server before the audit knows of it.

It stands around all routes. Where the guard (`server.access.guard`) has said about whom a request is, and the answer is
going to be given, then a look is written down as a look; and a deed of which the route itself has written nothing
about that patient is written down under the route's name. So a route may say more than the witness, but not less.
Where it cannot be written, nothing is answered.
"""

import time
from collections.abc import Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.audit.store import Looks, written

LOOKS = frozenset({"GET", "HEAD"})
"""What only looks."""
_FAILED = 400


class About(msgspec.Struct, frozen=True):
    """About whom a request is: who asks, the patient, and the words for a look and for a deed."""

    who: str
    patient_id: str
    look: str
    deed: str


class Witness:
    """ASGI. `now_ns`: the server's clock."""

    def __init__(self, app: ASGIApp, looks: Looks, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._app = app
        self._looks = looks
        self._now_ns = now_ns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said: set[str] = set()
        failed: Exception | None = None
        state = scope.setdefault("state", {})

        async def witnessed(message: Message) -> None:
            nonlocal failed
            about = state.get("about")
            if message["type"] == "http.response.start" and message["status"] < _FAILED and about is not None:
                try:
                    await run_in_threadpool(self._write, scope["method"], about, said)
                except Exception as error:  # noqa: BLE001 - raised below, where it is answered
                    failed = error
            if failed is None:
                await send(message)

        token = written.set(said)
        try:
            await self._app(scope, receive, witnessed)
        finally:
            written.reset(token)
        if failed is not None:
            raise failed

    def _write(self, method: str, about: About, said: set[str]) -> None:
        if method in LOOKS:
            self._looks.saw(self._now_ns(), about.who, about.look, about.patient_id)
        elif about.patient_id not in said:
            self._looks.deed(self._now_ns(), about.who, about.deed, about.patient_id)
