"""Everything that the description allows, and much that it does not, tried on every route by Schemathesis.

The server is a real one with people and an alarm in it, spoken to over the loopback by whom each route is for. A few
examples a route in the ordinary run; `HJEMVAKT_EXAMPLES=1000` for a night (docs/operating.md). What routes do to one
another is walked in `test_routes_in_any_order.py`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .conftest import Region
from .routes_site import Site

EXAMPLES = int(os.environ.get("HJEMVAKT_EXAMPLES", "4"))
CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
)  # fmt: skip
ENDS_THE_SESSION = {"signOut", "stream", "lockPerson", "signOutPerson", "resetSecondStep", "endOtherSessions"}
"""Routes whose success would send the test itself away, and the one that never ends."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    town = Region(tmp_path_factory.mktemp("schema"))
    town.alarm()
    town.asked()
    made = Site(town)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cookies(site: Site) -> dict[str, dict[str, str]]:
    return {who: site.comes(who) for who in ("kari", "odd")}


CONTRACT = Path(__file__).parents[3] / "server" / "web" / "openapi.json"
schema = schemathesis.openapi.from_path(CONTRACT)


@schema.exclude(operation_id=sorted(ENDS_THE_SESSION)).parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 100, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_route_answers_as_it_says(
    site: Site, cookies: dict[str, dict[str, str]], case: schemathesis.Case
) -> None:
    for who in ("kari", "odd"):
        case.call_and_validate(
            base_url=site.url, headers={"Origin": site.url}, cookies=cookies[who], checks=list(CHECKS),
            allow_redirects=False,
        )  # fmt: skip
