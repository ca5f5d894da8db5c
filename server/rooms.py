"""Every route there is, but for the page's files: the rooms', and those that belong to no room.

They are put together once a process and not once a site: FastAPI works out anew for each application what a route that
it includes needs, which takes longer than everything else that a site is built of. A handler is told by the request
whose site it is in (`server.house`).
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from sse_starlette import EventSourceResponse

from server.access.door import CARE, Anyone
from server.access.emergency import router as emergency
from server.access.guard import watched
from server.access.me import router as me
from server.access.people import router as people
from server.access.routes import router as access
from server.access.scopes import Scope as Sight
from server.access.scopes import Scopes
from server.alarms.routes import router as alarms
from server.api import About, Health
from server.audit.routes import router as audit
from server.cases.routes import router as cases
from server.corrections.routes import router as corrections
from server.escalation.routes import router as ladders
from server.filters.routes import router as filters
from server.fleet.giving import router as giving
from server.fleet.routes import router as fleet
from server.handover.routes import router as handover
from server.held.page import router as home_page
from server.held.routes import router as questions
from server.house import AtDoor, Here, Seen, Sees, problems
from server.identity.routes import for_hubs
from server.identity.routes import router as identity
from server.lane import GIVEN, LOOK, Given
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
from server.readings.routes import router as readings
from server.reports.routes import router as reports
from server.reviews.routes import router as reviews
from server.startup.routes import router as proposals
from server.version import program_version
from server.worklist import Worklist
from vitals.clock import MS

own = APIRouter()


@own.get("/api/about", operation_id="getAbout", tags=["site"])
def about(here: Here) -> About:
    """Who answers, and what time it is there."""
    clock, config = here.clock, here.config
    return About(
        version=program_version(), demo=config.demo, now_ms=clock.now_ns() // MS, speed=clock.speed,
        certificates=config.broker.tls is not None, provider=config.oidc.name if config.oidc else None,
    )  # fmt: skip


@own.get("/api/health", operation_id="getHealth", tags=["site"])
def health(here: Here) -> Health:
    """For a monitor."""
    return here.health()


@own.get("/api/worklist", operation_id="getWorklist", tags=["worklist"], response_model=Worklist,
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


@own.get("/api/stream", operation_id="stream", tags=["worklist"], response_class=EventSourceResponse,
         responses=problems(401, 403, 422))  # fmt: skip
async def stream(
    account: Anyone,
    request: Request,
    here: Here,
    door: AtDoor,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventSourceResponse:
    """Named events: hello, row, patient, glass, phone, viewed, viewing, beat, resync (see server/live)."""
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


def _together() -> APIRouter:
    rooms = APIRouter(dependencies=[Depends(watched)])
    for router in (
        access, me, people, emergency, audit, patients, readings, corrections, orders, alarms, cases, questions,
        phone, fleet, giving, identity, for_hubs, home_page, metrics, proposals, my_ways, answer_page, hooks, presence,
        filters, reviews, oncall, ladders, handover, reports, programmes, own,
    ):  # fmt: skip
        rooms.include_router(router)
    return rooms


ROUTES = _together().routes
