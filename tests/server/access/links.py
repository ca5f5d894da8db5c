"""Which answer names what another route asks for, as far as Schemathesis does not find that out by itself.

It knows a thing by its shape: an `AlarmView` has the id that `/api/alarms/{alarm_id}` wants. What is named inside
another thing (the alarm in a row of the worklist, the case in an alarm) or under another word (a person's `id` is a
`username`) is said here. A `*` is any of a list.
"""

import itertools
from collections.abc import Iterator
from typing import Any

NAMED = {
    "getWorklist": {"alarm_id": ["/rows/*/clinical/id"], "patient_id": ["/rows/*/patient/id"],
                    "question_id": ["/rows/*/questions/*/id"]},
    "getPatient": {"alarm_id": ["/alarms/*/id"], "question_id": ["/questions/*/id"], "device": ["/devices/*/id"],
                   "proposal_id": ["/proposals/*/id"]},
    "sendAlarm": {"case_id": ["/parked/case"]},
    "getAlarm": {"case_id": ["/parked/case"]},
    "getCases": {"case_id": ["/to_me/*/id", "/sent/*/id"]},
    "getFleet": {"gateway": ["/*/id"], "gateway_id": ["/*/id"]},
    "getHolders": {"device": ["/*/device"]},
    "getPeople": {"username": ["/people/*/id"], "relation_id": ["/relations/*/id"]},
    "addRelation": {"relation_id": ["/id"]},
    "breakGlass": {"glass_id": ["/id"]},
    "getOnCall": {"roster_id": ["/rosters/*/id"], "override_id": ["/rosters/*/changes/*/id"],
                  "swap_id": ["/rosters/*/swaps/*/id"]},
    "askSwap": {"swap_id": ["/id"]},
    "getSecurity": {"session": ["/sessions/*/name"]},
    "saveFilter": {"name": ["/saved/*/name"]},
    "getMyWays": {"way_id": ["/ways/*/id"]},
    "addMyWay": {"way_id": ["/id"]},
    "markMissed": {"missed_id": ["/id"]},
    "placeOrder": {"order_id": ["/id"]},
}  # fmt: skip
"""Operation: what its answer names for every route that asks for it, and where."""

FILLED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("getLadders", "putLadders", {"version": "/version", "ladders": "/ladders", "office": "/office"}),
    ("getLadders", "previewLadder", {"kind": "/ladders/*/kind", "priority": "/ladders/*/priority", "draft": None,
                                     "programme": None, "organisation": None}),
    ("getOnCall", "putRoster", {"version": "/rosters/*/version", "role": "/rosters/*/role", "organisation": "salten",
                                "patterns": "/rosters/*/patterns", "fixed": "/rosters/*/fixed"}),
    ("getOnCall", "overrideRoster", {"into": "/people/*/id", "out": None}),
    ("getOnCall", "askSwap", {"asked_of": "/people/*/id"}),
    ("getGatewayConfig", "setGatewayConfig", {"version": "/version"}),
    ("getFleet", "giveDevice", {"patient_id": "solveig", "from_ms": None, "sure": True}),
    ("getFleet", "takeDeviceBack", {"to_ms": None, "sure": True}),
    ("getPeople", "addRelation", {"patient": "/patients/*/id", "staff": "/people/*/id", "organisation": None}),
    ("getPeople", "addRelation", {"patient": "/patients/*/id", "organisation": "nlsh", "staff": None}),
    ("getPatient", "placeOrder", {"device": "disp-1", "kind": "lock", "compartment": None, "dose_id": None,
                                  "doses": None}),
    ("getPatient", "getLatestReadings", {}),
    ("getLatestReadings", "invalidateReading", {"reading": "/readings/*/id"}),
    ("getLatestReadings", "reinstateReading", {"correction": "/readings/*/invalid/correction"}),
    ("invalidateReading", "reinstateReading", {"correction": "/id"}),
    ("getWorklist", "breakGlass", {"patient": "arne"}),
    ("getAlarm", "sendAlarm", {"role": "doctor", "person": None, "seen": "/state"}),
    ("getAlarm", "handOverAlarm", {"role": "nurse", "person": None, "seen": "/state"}),
    ("getRecipients", "sendAlarm", {"person": "/people/*/id", "role": None, "seen": None}),
)  # fmt: skip
"""Operation, the one after it, and what goes into that one's body: from the answer (`/…`), or just so."""

ANYTIME = "whoAmI"
"""From there one may go wherever no name is asked for."""


def with_links(contract: dict[str, Any]) -> dict[str, Any]:
    """The description with these links in it, and what asks for no name after `ANYTIME`."""
    operations = {
        said["operationId"]: (path, said) for path, ways in contract["paths"].items() for said in ways.values()
    }
    for source, names in NAMED.items():
        for name, places in names.items():
            asked = [to for to, (_, said) in operations.items() if name in _wanted(said)]
            assert asked, f"{source}: no route asks for {name!r}; take it out"
            for to, where in itertools.product(asked, places):
                _link(operations[source][1], to, parameters={name: _expression(where)})
    for source, to, body in FILLED:
        wanted = _wanted(operations[to][1])
        parameters = {name: f"$request.path.{name}" for name in _wanted(operations[source][1]) & wanted}
        named = NAMED.get(source, {})
        parameters |= {name: _expression(places[0]) for name, places in named.items() if name in wanted}
        filled = {name: _expression(value) for name, value in body.items()}
        _link(operations[source][1], to, parameters=parameters, requestBody=filled)
    for to, (path, _) in operations.items():
        if "{" not in path:
            _link(operations[ANYTIME][1], to)
    return contract


def names_in(operation: str, answer: Any) -> Iterator[tuple[str, str]]:
    """Every name in that operation's answer, and for what."""
    for name, places in NAMED.get(operation, {}).items():
        for where in places:
            for value in _at(answer, where.strip("/").split("/")):
                yield name, str(value)


def _at(value: Any, way: list[str]) -> Iterator[Any]:
    if value is None:
        return
    if not way:
        yield value
        return
    step, *rest = way
    for one in value if step == "*" else [value.get(step)]:
        yield from _at(one, rest)


def _wanted(said: dict[str, Any]) -> set[str]:
    return {one["name"] for one in said.get("parameters", []) if one["in"] == "path" or one.get("required")}


def _expression(value: Any) -> Any:
    return f"$response.body#{value}" if isinstance(value, str) and value.startswith("/") else value


def _link(said: dict[str, Any], to: str, **particulars: Any) -> None:
    links = said["responses"]["200"].setdefault("links", {})
    # Schemathesis reads a `*` only where it believes to have found the link by itself.
    links[f"{to} {len(links)}"] = {"operationId": to, "x-schemathesis": {"is_inferred": True}} | particulars
