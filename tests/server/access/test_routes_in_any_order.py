"""Routes one after another in orders that nobody thought of, each with what an earlier answer named.

Schemathesis walks from answer to answer (`links.py` says where to): an alarm of the worklist is sent on, the case that
came of it is read, a reading is taken back that was said to be wrong. The server is a real one on the loopback, in
which people fall ill and time passes between the walks. Every step is somebody else's, and who may not take it leaves
it to a colleague, so a walk crosses roles as a day does.

A few walks in the ordinary run, the same ones each time; `HJEMVAKT_WALKS=500` for an hour of them.
"""

import contextlib
import itertools
import json
import os
import random
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Flaky
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.transport import Response
from schemathesis.generation.stateful.state_machine import APIStateMachine, normalize_name
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ensure_resource_availability,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    use_after_free,
)

from server.alarms import store as alarms
from server.alarms import table
from server.alarms.model import Refused, To
from server.fleet import holders
from server.identity.store import set_revoked
from server.notify.phone import messages
from server.startup import store as startup
from triage.startup import Proposal
from vitals.block import Block
from vitals.wire import DeviceHealth

from .conftest import PASSWORD, Region
from .links import names_in, with_links
from .routes_site import Site

WALKS = int(os.environ.get("HJEMVAKT_WALKS", "24"))
STEPS = 24
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, use_after_free,
]  # fmt: skip
OF_ALL = [ensure_resource_availability]
"""That what was made is there: for somebody, not for everybody."""
NOT_FOR_ME = {401, 403, 404, 409}
"""Answers after which somebody else tries."""
PEOPLE = ("odd", "kari", "ingrid", "siri", "bente")
"""Salten's administrator, a nurse and a doctor there, the hospital's specialist, and the neighbours' administrator."""
ENDLESS = "stream"
"""The one route whose answer never ends; tests/server/people/test_live.py hears it."""
REMEMBERS = 0.9
"""How often a name that was seen is taken, where a link has none."""
PROPOSED = Proposal("spo2_floor", 89.0, 90.0, 92.5, 1.0, 30, 15)
CONTRACT = Path(__file__).parents[3] / "server" / "web" / "openapi.json"


class Day:
    """The region on an ordinary day, and what was seen on the walks through it."""

    def __init__(self, folder: Path) -> None:
        shifts = [{"role": role, "staff": who} for who, role in (("kari", "nurse"), ("ingrid", "doctor"))]
        self.town = Region(folder, town={"shifts": shifts})
        self.site = Site(self.town)
        self.http = requests.Session()
        self.calls = self.walks = 0
        self.begins = False
        self.random = random.Random(0)
        self.seen: dict[str, deque[str]] = {}
        """The last names that answers have named, by what they name."""
        self.answered: dict[str, Counter[int]] = {}
        self.went: Counter[str] = Counter()
        self.locked: set[str] = set()
        """Operations that have been seen to refuse a stranger."""
        self.failures: dict[tuple[str, str], str] = {}
        self.cookies: dict[str, dict[str, str]] = {}

    def goes_on(self) -> None:
        """The next walk: everybody is at work, what was taken away is there again, and somebody is ill."""
        self.walks += 1
        town, now_ns = self.town, self.town.clock.advance(minutes=7)
        with town.write() as tx:
            set_revoked(tx, "gw-1", None)
            startup.put(tx, "solveig", [PROPOSED], now_ns)
        for device in ("oximeter", "disp-1"):
            with contextlib.suppress(holders.Refused):
                town.lent(device=device)
        town.beat(devices=(DeviceHealth("disp-1", "hjemvakt-dispenser", "connected", orders=("dispense", "lock")),))
        town.send(Block("spo2", (now_ns,), (84.0,)), first=self.walks)
        town.alarm()
        town.asked()
        with contextlib.suppress(Refused):  # somebody has it still
            self.left_with((None, "kari", "siri", "ingrid")[self.walks % 4], now_ns)
        town.server.tick(now_ns)
        self.cookies = {who: self.site.comes(who) for who in PEOPLE}

    def left_with(self, whom: str | None, now_ns: int) -> None:
        """Kari takes the newest alarm, or has sent it on to somebody else."""
        if whom is None:
            return
        with self.town.write() as tx:
            number = tx.scalar(sa.select(sa.func.max(table.alarms.c.id)))
            alarm = table.get(tx, number)
            assert alarm is not None
            alarms.acknowledge(tx, alarm, "Kari Olsen", now_ns, 3600)
        if whom != "kari":
            self.town.sent("kari", To("specialist" if whom == "siri" else "doctor", whom), number)

    def close(self) -> None:
        self.http.close()
        self.site.close()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    made = Day(tmp_path_factory.mktemp("walks"))
    yield made
    made.close()


def machine(day: Day) -> type[APIStateMachine]:
    """What walks: Schemathesis's own, but for who takes a step, and that it goes on after a failure."""
    described = with_links(json.loads(CONTRACT.read_text(encoding="utf-8")))
    schema = schemathesis.openapi.from_dict(described).exclude(operation_id=ENDLESS)
    schema.config.update(base_url=day.site.url)
    walker: Any = schema.as_state_machine()
    for label in walker._root_labels:
        if "{" in label:  # no walk begins with a name out of the air
            delattr(walker, normalize_name(f"RANDOM -> {label}"))

    class Walk(walker):
        def setup(self) -> None:
            if day.begins:
                day.goes_on()
            self.turn = itertools.cycle(PEOPLE[day.walks % len(PEOPLE) :] + PEOPLE[: day.walks % len(PEOPLE)])

        def call(self, case: schemathesis.Case, **_: Any) -> Response:
            if not day.begins:
                day.begins = True
                hypothesis.reject()
            tell(day, case)
            step = self.recorder.cases[case.id]
            if step.transition is not None and step.is_transition_applied:
                day.went[step.transition.id] += 1
            its_own: Response | None = None
            for _ in PEOPLE:
                self.who = next(self.turn)
                answer = self.ask(case)
                if answer.status_code == 401:  # signed out by a step before: it may be just this one's to do
                    self.judge(answer, case, CHECKS)
                    day.cookies[self.who] = day.site.comes(self.who)
                    answer = self.ask(case)
                if answer.status_code == 200:
                    self.look(case, answer)
                if answer.status_code not in NOT_FOR_ME:
                    break
                self.judge(answer, case, CHECKS)
                if answer.status_code == 409:
                    its_own = answer  # it is there for this one, however little the others find
            else:
                return its_own or answer
            return answer

        def ask(self, case: schemathesis.Case) -> Response:
            answer = case.call(session=day.http, **self.how(), allow_redirects=False)
            day.calls += 1
            day.answered.setdefault(case.operation.label, Counter())[answer.status_code] += 1
            return answer

        def look(self, case: schemathesis.Case, answer: Response) -> None:
            operation = case.operation.definition.raw["operationId"]
            for name, value in names_in(operation, json.loads(answer.content)):
                seen = day.seen.setdefault(name, deque(maxlen=8))
                if value not in seen:
                    seen.append(value)

        def how(self) -> dict[str, Any]:
            return {"headers": {"Origin": day.site.url}, "cookies": day.cookies[self.who]}

        def validate_response(self, response: Response, case: schemathesis.Case, *_: Any, **__: Any) -> None:
            self.judge(response, case, CHECKS + OF_ALL)

        def judge(self, response: Response, case: schemathesis.Case, checks: list[Any]) -> None:
            label = case.operation.label
            stranger = [] if label in day.locked else [ignored_auth]
            try:
                case.validate_response(
                    response, checks=checks + stranger, transport_kwargs={"session": day.http} | self.how(),
                    recorder=self.recorder,
                )  # fmt: skip
            except FailureGroup as group:
                for one in group.exceptions:
                    day.failures.setdefault((label, one.title), said(one, response, case))
            else:
                if response.status_code < 300:
                    day.locked.add(label)

    return Walk


def said(failure: Failure, response: Response, case: schemathesis.Case) -> str:
    return f"{failure.title}: {failure.message}\n{response.status_code} {response.text[:400]}\n{case.as_curl_command()}"


def tell(day: Day, case: schemathesis.Case) -> None:
    """What only people can know: a name that they have seen, their password, the code on their phone."""
    for name, value in case.path_parameters.items():
        seen = day.seen.get(name)
        if seen and value not in seen and day.random.random() < REMEMBERS:
            case.path_parameters[name] = day.random.choice(list(seen))
    body = case.body
    if not isinstance(body, dict):
        return
    if "password" in body:
        body["password"] = PASSWORD
    if "code" in body and "ways" in case.path:
        with day.town.server.db.read() as tx:
            body["code"] = messages(tx)[-1].text.partition(": ")[2]


def walk(day: Day, walker: type[APIStateMachine], seed: int) -> None:
    """One walk. Hypothesis begins with the simplest there is, which is the same each time: that is turned down."""
    begun: Any = hypothesis.seed(seed)(walker)
    begun.rule_order_seed = seed
    day.begins = False
    with contextlib.suppress(Flaky):  # what can be chosen hangs on the answers, and the day has gone on
        begun.run(
            settings=hypothesis.settings(
                max_examples=1, stateful_step_count=STEPS, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
        )  # fmt: skip


def test_routes_in_any_order_answer_as_they_say(day: Day) -> None:
    walker = machine(day)
    for seed in range(WALKS):
        walk(day, walker, seed)
    done = {label for label, codes in day.answered.items() if any(code < 400 for code in codes)}
    steps = sum(day.went.values())
    print(
        f"\n{len(day.answered)} operations, of which {len(done)} were done; {day.walks} walks, {day.calls} calls, "
        f"{steps} steps along {len(day.went)} links, {len(day.failures)} failures"
    )
    assert not day.failures, "\n\n".join(day.failures.values())
    assert len(done) > min(40, 2 * WALKS), "what is walked is a day's work, and not a row of refusals"
    assert steps > 3 * WALKS, "one answer leads to the next"
