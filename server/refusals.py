"""What went wrong, as the page is told it: a status, and one sentence of what to do (`detail`)."""

from collections.abc import Awaitable, Callable, Mapping

import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from server import trouble
from server.access.door import NeedsCode
from server.access.routes import needs_code, unreadable
from server.access.vault import Unreadable
from server.alarms.api import Conflict
from server.alarms.model import Refused
from server.api import Answered, Text
from server.corrections import store as corrections
from server.db import troubled
from server.first import Overtaken
from server.fleet import holders
from server.held import store as held
from server.startup import store as startup
from vitals.clock import MS

_OUR_MISTAKE = "the server made a mistake; try again, and if it stays, tell an administrator to read the log"
_NOT_STORED = "the server cannot store anything: {}; tell an administrator, and then try again"
_AWAY = "the database does not answer just now; look whether it was done, and if not, try again in a moment"


def problem(status: int, detail: str) -> JSONResponse:
    """The answer."""
    return JSONResponse({"detail": detail}, status)


def apology(error: Exception) -> Response:
    """For what no handler has answered."""
    found = trouble.known(error)
    if found is not None:
        return problem(503, _NOT_STORED.format(found))
    return problem(503, _AWAY) if troubled(error) else problem(500, _OUR_MISTAKE)


async def _unfit(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, one['loc'][1:])) or one['loc'][0]}: {one['msg']}" for one in error.errors())
    return problem(422, f"{said}; correct it and send it again")


async def _unreadable(_request: Request, _error: Exception) -> Response:
    """A body that is no text at all: the framework would call that by another number than everything else unfit."""
    return problem(422, "body: it cannot be read; send JSON in UTF-8")


async def _not_stored(_request: Request, error: Exception) -> Response:
    """What was asked for is not done. Where only our own mistake can be the cause, it is answered as one."""
    found = trouble.known(error)
    if found is None:
        raise error
    return problem(503, _NOT_STORED.format(found))


async def _conflict(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    t_ms = None if error.at_ns is None else error.at_ns // MS
    found = [Text(**one.text) for one in error.found]
    said = f"{error.text}; {error.mend}"
    conflict = Conflict(detail=said, who=error.who, state=error.state, t_ms=t_ms, found=found)
    return JSONResponse(conflict.model_dump(), 409)


async def _answered(_request: Request, error: Exception) -> Response:
    assert isinstance(error, held.Refused | corrections.Refused | startup.Refused | holders.Refused | Overtaken)
    return JSONResponse(Answered(detail=f"{error.text}; {error.mend}", who=error.who).model_dump(), 409)


ANSWERS: Mapping[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    RequestValidationError: _unfit,
    400: _unreadable,
    sa.exc.OperationalError: _not_stored,
    NeedsCode: needs_code,
    Unreadable: unreadable,
    Refused: _conflict,
    held.Refused: _answered,
    corrections.Refused: _answered,
    startup.Refused: _answered,
    holders.Refused: _answered,
    Overtaken: _answered,
}
"""What is raised, and how it is answered."""
