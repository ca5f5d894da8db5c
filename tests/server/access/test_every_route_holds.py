"""Everything that the description allows, and much that it does not, tried on every route by Schemathesis.

The server is a real one with people and an alarm in it, spoken to over the loopback by whom each route is for. A few
examples a route in the ordinary run; `HJEMVAKT_EXAMPLES=1000` for a night (docs/operating.md).
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.ports import free_port
from tests.waiting import until

from .conftest import PASSWORD, Region

EXAMPLES = int(os.environ.get("HJEMVAKT_EXAMPLES", "4"))
CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
)  # fmt: skip
ENDS_THE_SESSION = {"signOut", "stream", "lockPerson", "signOutPerson", "resetSecondStep", "endOtherSessions"}
"""Routes whose success would send the test itself away, and the one that never ends."""


class Site:
    """The server on the loopback, and its nurse's and its administrator's cookies."""

    def __init__(self, town: Region, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._web = uvicorn.Server(
            uvicorn.Config(town.site(), port=port, log_level="error", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._web.run)
        self._thread.start()
        until(lambda: self._web.started)
        self.cookies = {who: self._sign_in(who) for who in ("kari", "odd")}

    def _sign_in(self, who: str) -> str:
        said = {"username": who, "password": PASSWORD}
        answer = httpx.post(f"{self.url}/api/session", json=said, headers={"Origin": self.url})
        return answer.headers["set-cookie"].split(";")[0]

    def close(self) -> None:
        self._web.should_exit = True
        self._thread.join(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    town = Region(tmp_path_factory.mktemp("schema"))
    town.alarm()
    town.asked()
    made = Site(town, free_port())
    yield made
    made.close()
    town.server.close()


CONTRACT = Path(__file__).parents[3] / "server" / "web" / "openapi.json"
schema = schemathesis.openapi.from_path(CONTRACT)


@schema.exclude(operation_id=sorted(ENDS_THE_SESSION)).parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 100, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_route_answers_as_it_says(site: Site, case: schemathesis.Case) -> None:
    for who in ("kari", "odd"):
        headers = {"Origin": site.url, "Cookie": site.cookies[who]}
        case.call_and_validate(base_url=site.url, headers=headers, checks=list(CHECKS), allow_redirects=False)
