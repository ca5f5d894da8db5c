"""`GET /metrics`, and who may ask.

Nobody, unless the configuration says who. *With a token* (`[metrics] token_file`): whoever sends it as a bearer, from
wherever. *Without one* (`[metrics] loopback = true`): programs on this machine. That an address is the loopback's says
little where a reverse proxy stands on the same machine, because then the whole world comes from there, and a proxy need
not say so. So the configuration refuses `loopback` where it speaks of a proxy (`[web] secure` or `address`), and a
request that carries a proxy's traces, or asks for another host than this machine, is refused here.

A refusal is the 404 of a page that is not there, where nobody may come in at all; a wrong token gets the 401 that a
monitor shows to its operator.
"""

import hmac
import ipaddress
from typing import cast

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client.exposition import choose_encoder

from server.config import Metrics
from server.house import Here

router = APIRouter(include_in_schema=False)

_OF_A_PROXY = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_SCHEME = "Bearer "


class Gate:
    """Who may read the metrics. Reads the token now; raises ConfigError."""

    def __init__(self, config: Metrics) -> None:
        self._token = config.token()
        self._loopback = config.loopback

    def check(self, request: Request) -> None:
        """Raises 404 or 401."""
        if self._token is not None:
            if not _is_token(request.headers.get("authorization", ""), self._token):
                raise HTTPException(
                    401, "send the token of [metrics] token_file as a bearer token", {"WWW-Authenticate": "Bearer"}
                )
        elif not self._loopback or not _is_local(request):
            raise HTTPException(404, "there are no metrics here for you; see [metrics] in server.toml")


@router.get("/metrics")
def metrics(request: Request, here: Here) -> Response:
    """The numbers, in Prometheus' text format or, where it is asked for, in OpenMetrics'."""
    cast(Gate, request.app.state.gate).check(request)
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(here.meter.registry), media_type=content_type, headers={"cache-control": "no-store"})


def _is_token(said: str, token: str) -> bool:
    """In a time that does not tell how much of it was right."""
    return said.startswith(_SCHEME) and hmac.compare_digest(said.removeprefix(_SCHEME).encode(), token.encode())


def _is_local(request: Request) -> bool:
    named = request.url.hostname or ""
    return (
        request.client is not None
        and _is_loopback(request.client.host)
        and (named == "localhost" or _is_loopback(named))
        and not any(name in request.headers for name in _OF_A_PROXY)
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
