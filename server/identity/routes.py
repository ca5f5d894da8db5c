"""Codes and revocation for administrators; the claim itself for hubs, who are nobody yet.

The two routes for hubs are answered at the hubs' own door (`server.identity.door`), and beside the page for whoever
has a reverse proxy pass them on. They are not part of the page's contract.
"""

import time

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from server.access.door import Administrator, address_of
from server.house import Here, problems
from server.identity.api import ClaimCode, Revocation, Revoked
from server.identity.desk import CODE_HOURS, Desk, Turned, revoke
from vitals.errors import WireError
from vitals.identity import Claim, decode, encode

router = APIRouter(prefix="/api/fleet", tags=["fleet"])
for_hubs = APIRouter(prefix="/api", include_in_schema=False)

_NO_DESK = "this server knows hubs by their passwords; set [broker.tls] in server.toml first"


@router.post("/{gateway}/code", operation_id="makeClaimCode", responses=problems(401, 403, 404, 409, 422))
def make_claim_code(gateway: str, account: Administrator, here: Here) -> ClaimCode:
    """A code that makes a hub this gateway, once. It is shown now and never again."""
    try:
        code = _desk(here.desk).make_code(gateway, account.id)
    except Turned as error:
        raise _refused(error) from None
    return ClaimCode(code=str(code), hours=CODE_HOURS)


@router.post("/{gateway}/revoke", operation_id="revokeGateway", responses=problems(401, 403, 404, 422))
def revoke_gateway(gateway: str, said: Revocation, account: Administrator, here: Here) -> Revoked:
    """Nothing of that gateway is believed from now on, until a hub is claimed in its name."""
    try:
        with here.db.write() as tx:
            ended = revoke(tx, gateway, said.reason, account.id, time.time_ns())
    except Turned as error:
        raise _refused(error) from None
    return Revoked(certificates=ended)


@for_hubs.get("/authority")
def get_authority(here: Here) -> Response:
    """The authority's certificate; a hub holds it against the mark in its code."""
    return Response(_desk(here.desk).authority.pem, media_type="application/x-pem-file")


@for_hubs.post("/claim")
async def claim(request: Request, here: Here) -> Response:
    """An identity for a code (`vitals.identity`)."""
    desk, source = _desk(here.desk), address_of(request)
    try:
        said = decode(await request.body(), Claim)
        identity = await run_in_threadpool(desk.claim, said, source)
    except WireError as error:
        raise HTTPException(422, str(error)) from None
    except Turned as error:
        raise _refused(error) from None
    return Response(encode(identity), media_type="application/json")


def _desk(desk: Desk | None) -> Desk:
    if desk is None:
        raise HTTPException(409, _NO_DESK)
    return desk


def _refused(error: Turned) -> HTTPException:
    return HTTPException(
        error.status, str(error), {"Retry-After": str(int(error.wait_s) + 1)} if error.wait_s else None
    )
