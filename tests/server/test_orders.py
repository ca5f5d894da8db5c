"""A nurse orders a dose: it is said until it is heard, and what nobody knows about it is somebody's to find out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from server.access.door import Door
from server.alarms import table
from server.alarms.model import Alarm
from server.audit.store import audit
from server.config import Database as DatabaseConfig
from server.ingest.store import Message
from server.orders import store
from server.orders.model import AFTER, DANGER, GRACE_S, LASTS_S, OPEN, TO_LOOK_AT, Order, State, Word, hear, look
from server.orders.words import ASKED
from server.site import build
from tests.server.conftest import START_NS, TOWN, Town
from vitals.alarm import Kind, Level
from vitals.clock import MS, NS
from vitals.events import Event
from vitals.wire import MAX_COMMAND_BYTES, ORDER_STEPS, Command, DeviceHealth, decode, order_id

HOME = "http://hjemvakt.test"
PASSWORD = "a long enough secret"  # noqa: S105
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
KINDS = ("dispense", "lock", "unlock", "test", "schedule")
ORDERS = "/api/patients/eva/orders"
ID, OTHER = "00000000000d05e1", "00000000000d05e2"
DOSE = {"id": ID, "device": "disp-1", "kind": "dispense", "compartment": 3, "why": "Spilled the evening dose"}
STEPS = [word for word in Word if word is not Word.OVERDUE]
MUNICIPALITY = TOWN.replace("$argon2id$none", _QUICK) + "".join(
    f'\n[[assignments]]\ndevice = "{device}"\npatient = "{patient}"\nfrom = 2026-01-01T00:00:00Z\n'
    for device, patient in (("disp-1", "eva"), ("disp-2", "odd"))
) + "".join(
    f'\n[[staff]]\nid = "{id}"\nname = "{name}"\nrole = "{role}"\nphone = "+4700000102"\npassword_hash = "{_QUICK}"\n'
    for id, name, role in (("per", "Per", "nurse"), ("anne", "Anne", "administrator"))
)  # fmt: skip


class Ward(Town):
    """The town with two dispensers, a nurse's pen, and what the broker would have carried."""

    def __init__(self, folder: Path, database: DatabaseConfig) -> None:
        super().__init__(folder, MUNICIPALITY, database)
        self._row = 0
        self.carried: list[Message] = []
        self.listen()

    def listen(self) -> None:
        self.server.publish = self.carried.extend
        self.alive()

    def alive(self) -> None:
        """The gateways' heartbeats, with what their dispensers take."""
        for number in (1, 2):
            self.beat(
                f"gw-{number}", (DeviceHealth(f"disp-{number}", "hjemvakt-dispenser", "connected", orders=KINDS),)
            )

    def commands(self) -> list[Command]:
        """What was published since the last look."""
        said, self.carried[:] = list(self.carried), []
        return [decode(payload, Command) for topic, payload in said if topic.endswith("/down/command")]

    def order(self, **changes: Any) -> Order:
        """An order that stands in the books, without a browser."""
        now_ns = self.clock.now_ns()
        new = Order(ID, "eva", "disp-1", "gw-1", "dispense", {"compartment": 3}, "Spilled", "Kari", now_ns, now_ns)
        kind = changes.get("kind", "dispense")
        order = replace(new, expires_ns=now_ns + round(LASTS_S[kind] * NS), **changes)
        with self.server.db.write() as tx:
            store.place(tx, order)
        return order

    def tell(self, step: str, order: str = ID, device: str = "disp-1", **data: str) -> None:
        """A gateway's row comes in."""
        event = Event(f"order.{step}", self.clock.now_ns(), {"order": order, "kind": "dispense", **data})
        self._row += 1
        self.send(event, first=self._row, device=device)

    def now(self, order: str = ID) -> Order:
        with self.server.db.read() as tx:
            found = store.get(tx, order)
        assert found is not None
        return found

    def alarms(self, patient: str = "eva") -> list[Alarm]:
        with self.server.db.read() as tx:
            return [one for one in table.all_open(tx, [patient]) if any("order" in why.rule for why in one.reasons)]

    def audited(self) -> list[tuple[str, str, str | None, str]]:
        with self.server.db.read() as tx:
            rows = tx.execute(
                sa.select(audit)
                .where(audit.c.what.icontains("order"), ~audit.c.what.startswith("see"))
                .order_by(audit.c.id)
            )
            return [(row.who, row.what, row.patient_id, row.detail) for row in rows]


@pytest.fixture
def ward(tmp_path: Path, database: DatabaseConfig) -> Iterator[Ward]:
    ward = Ward(tmp_path, database)
    yield ward
    ward.server.close()


SignIn = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def signed_in(ward: Ward, tmp_path: Path) -> AsyncIterator[SignIn]:
    async with AsyncExitStack() as clients:

        async def come_in(username: str) -> httpx.AsyncClient:
            # Of the server as it is now: it may have begun again.
            app = build(ward.server, door=Door(ward.server.db, secure=False, wall=lambda: 0), dist=tmp_path)
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, headers={"Origin": HOME})
            await clients.enter_async_context(client)
            answer = await client.post("/api/session", json={"username": username, "password": PASSWORD})
            assert answer.status_code == 200
            return client

        yield come_in


async def test_a_dose_is_ordered_said_until_it_is_heard_and_shown_as_done(ward: Ward, signed_in: SignIn) -> None:
    kari = await signed_in("kari")
    placed = (await kari.post(ORDERS, json=DOSE)).json()
    assert (placed["state"], placed["ordered_by"], placed["issued_ms"]) == ("ordered", "Kari", START_NS // MS)
    ward.tick(seconds=1)
    (command,) = ward.commands()
    assert (command.gateway, command.device, command.kind, command.data) == (
        "gw-1", "disp-1", "dispense", {"compartment": 3},
    )  # fmt: skip
    assert command.order == ID
    assert command.expires_ns - command.issued_ns == LASTS_S["dispense"] * NS
    ward.tick(seconds=1)
    assert ward.commands() == []
    ward.tick(seconds=5)
    assert ward.commands() == [command], "the broker may have lost it, so it is said again, the same"
    ward.tell("received")
    ward.tick(seconds=60)
    assert ward.commands() == [], "the gateway has it"
    ward.tell("sent")
    ward.tell("done")
    (shown,) = (await kari.get(ORDERS)).json()
    assert shown["state"] == "done"
    assert shown["received_ms"] <= shown["sent_ms"] <= shown["ended_ms"]
    ward.tick(hours=2)
    assert ward.alarms() == []
    assert ward.audited() == [
        ("kari", "order dispense", "eva", f"order {ID} to disp-1, compartment 3: Spilled the evening dose")
    ]


async def test_the_answer_was_lost_and_the_nurse_presses_again(ward: Ward, signed_in: SignIn) -> None:
    kari = await signed_in("kari")
    first, second = [(await kari.post(ORDERS, json=DOSE)).json() for _ in range(2)]
    assert first == second
    assert len((await kari.get(ORDERS)).json()) == 1
    assert [(who, what, patient) for who, what, patient, _ in ward.audited()] == [
        ("kari", "order dispense", "eva"), ("kari", "placeOrder", "eva"),
    ], "asked for twice, ordered once"  # fmt: skip
    other = await kari.post(ORDERS, json={**DOSE, "compartment": 4})
    assert other.status_code == 409
    assert "names another order" in other.json()["detail"]


async def test_two_nurses_order_the_same_and_the_second_is_told_who_was_first(ward: Ward, signed_in: SignIn) -> None:
    kari, per = await signed_in("kari"), await signed_in("per")
    assert (await kari.post(ORDERS, json=DOSE)).status_code == 200
    answer = await per.post(ORDERS, json={**DOSE, "id": OTHER})
    assert answer.status_code == 409
    assert "Kari has ordered the same" in answer.json()["detail"]
    assert (await per.post(ORDERS, json={**DOSE, "id": OTHER, "kind": "lock", "compartment": None})).status_code == 200


async def test_no_second_dose_while_nobody_knows_about_the_first(ward: Ward, signed_in: SignIn) -> None:
    kari, per = await signed_in("kari"), await signed_in("per")
    await kari.post(ORDERS, json=DOSE)
    ward.tell("unknown")
    answer = await per.post(ORDERS, json={**DOSE, "id": OTHER})
    assert answer.status_code == 409
    assert "look at the dispenser" in answer.json()["detail"]
    looked = await per.post(f"{ORDERS}/{ID}/look", json={"found": "not_done", "note": "Still inside"})
    assert (looked.json()["state"], looked.json()["looked_by"]) == ("looked_at", "Per")
    assert (await per.post(ORDERS, json={**DOSE, "id": OTHER})).status_code == 200
    late = await kari.post(f"{ORDERS}/{ID}/look", json={"found": "done"})
    assert late.status_code == 409
    assert "Per has looked already" in late.json()["detail"]
    assert ("per", "look at order") in [(who, what) for who, what, *_ in ward.audited()]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "17"}, {"id": "0" * 16}, {"id": ID.upper()}, {"kind": "explode"}, {"compartment": None},
        {"compartment": 0}, {"compartment": 255}, {"dose_id": 0}, {"why": ""}, {"why": "x" * 501}, {"doses": "x"},
        {"kind": "lock"}, {"kind": "schedule"},
        {"kind": "schedule", "compartment": None, "doses": "at eight"}, {"extra": 1}, {"why": None},
    ],
)  # fmt: skip
async def test_an_order_that_says_too_little_or_too_much_is_refused(
    ward: Ward, signed_in: SignIn, changes: dict[str, Any]
) -> None:
    kari = await signed_in("kari")
    answer = await kari.post(ORDERS, json={**DOSE, **changes})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]
    assert ward.commands() == []


@pytest.mark.parametrize(
    ("device", "status"), [("disp-2", 409), ("scale", 409), ("oximeter", 409), ("disp-9", 409), ("", 422)]
)
async def test_only_the_patients_own_device_that_takes_it_gets_an_order(
    ward: Ward, signed_in: SignIn, device: str, status: int
) -> None:
    kari = await signed_in("kari")
    ward.beat("gw-1", (DeviceHealth("oximeter", "plx-1822", "idle"), DeviceHealth("disp-2", "x", "idle", orders=KINDS)))
    answer = await kari.post(ORDERS, json={**DOSE, "device": device})
    assert answer.status_code == status
    ward.tick(seconds=1)
    assert ward.commands() == []


async def test_orders_are_for_those_who_care_and_of_patients_there_are(ward: Ward, signed_in: SignIn) -> None:
    anne, kari = await signed_in("anne"), await signed_in("kari")
    for answer in (
        await anne.get(ORDERS),
        await anne.post(ORDERS, json=DOSE),
        await anne.post(f"{ORDERS}/{ID}/look", json={}),
    ):
        assert answer.status_code in (403, 422)
    nobody = "/api/patients/nobody/orders"
    assert (await kari.get(nobody)).status_code == 404
    assert (await kari.post(nobody, json=DOSE)).status_code == 404
    assert (await kari.post(f"{ORDERS}/{ID}/look", json={"found": "done"})).status_code == 404
    ward.order(patient_id="odd", device="disp-2")
    assert (await kari.post(f"{ORDERS}/{ID}/look", json={"found": "done"})).status_code == 404, "of another patient"


async def test_the_page_learns_what_a_device_takes(ward: Ward, signed_in: SignIn) -> None:
    kari = await signed_in("kari")
    page = (await kari.get("/api/patients/eva")).json()
    assert {one["id"]: one["orders"] for one in page["devices"]} == {"disp-1": list(KINDS)}


def test_a_gateway_that_is_away_is_told_when_it_is_back(ward: Ward) -> None:
    ward.order(kind="schedule", data={"doses": "7@08:00 c3"})
    ward.tick(seconds=1)
    assert len(ward.commands()) == 1
    ward.will()
    ward.tick(hours=3)
    assert ward.commands() == [], "nobody is there to hear it"
    ward.alive()
    ward.tick(seconds=1)
    assert len(ward.commands()) == 1


def test_a_server_that_stops_goes_on_where_its_rows_end(ward: Ward) -> None:
    ward.order()
    ward.tick(seconds=1)
    ward.begin_again()
    ward.listen()
    ward.carried.clear()
    ward.tick(seconds=6)
    assert [command.order for command in ward.commands()] == [ID]
    ward.tell("done")
    ward.begin_again()
    assert ward.now().state is State.DONE


def test_what_the_gateway_cannot_know_opens_an_alarm_that_a_persons_word_settles(ward: Ward) -> None:
    ward.order()
    ward.tell("received")
    ward.tell("sent")
    assert ward.alarms() == []
    ward.tell("unknown")
    (alarm,) = ward.alarms()
    assert (alarm.kind, alarm.level) == ("clinical", Level.MEDIUM)
    assert "look at the dispenser, or call the patient" in alarm.reasons[0].text["en"]
    ward.tick(hours=1)
    assert not ward.alarms()[0].settled, "it stands for as long as nobody has looked"
    with ward.server.db.write() as tx:
        looked = look(ward.now(), "Kari", ward.clock.now_ns(), "done", "Phoned: she has it")
        assert looked is not None
        store.save(tx, looked)
    for _ in range(4):
        ward.tick(minutes=10)
    assert ward.alarms()[0].settled


def test_no_word_by_its_time_and_a_grace_is_unknown_too(ward: Ward) -> None:
    ward.order()
    ward.tick(seconds=LASTS_S["dispense"] - 1)
    assert ward.commands(), "up to its time it is said"
    ward.tick(seconds=GRACE_S)
    assert ward.commands() == [], "an order whose time is over is not said again"
    assert ward.now().state is State.ORDERED
    ward.tick(seconds=1)
    assert ward.now().state is State.UNKNOWN
    (alarm,) = ward.alarms()
    assert alarm.reasons[0].rule == "order_dispense_unknown"
    ward.tell("expired")
    assert ward.now().state is State.EXPIRED, "the gateway was away and never sent it: then that is known"


def test_a_nurse_who_was_told_that_it_was_not_done_hears_of_it_when_it_was(ward: Ward) -> None:
    ward.order()
    ward.tell("refused", why="it is locked")
    assert (ward.now().state, ward.now().said) == (State.REFUSED, "it is locked")
    assert ward.alarms() == []
    ward.tell("done")
    assert ward.now().state is State.DISPUTED
    assert len(ward.alarms()) == 1
    ward.tell("refused", why="it is locked")
    assert ward.now().state is State.DISPUTED, "only a person settles that"


def test_one_homes_word_settles_nothing_in_another(ward: Ward) -> None:
    ward.order()
    ward.tell("done", device="disp-2")
    ward.tell("done", order=OTHER)
    ward.tell("done", order="nonsense")
    ward.tell("overdue")
    ward.tell("eaten")
    assert ward.now().state is State.ORDERED


def test_the_device_became_anothers_and_its_word_still_belongs_to_who_it_was_ordered_for(ward: Ward) -> None:
    ward.order(patient_id="odd")
    ward.tell("unknown")
    assert ward.now().state is State.UNKNOWN
    assert ward.alarms("eva") == []
    assert len(ward.alarms("odd")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_time_its_danger_and_its_words(ward: Ward, kind: str) -> None:
    assert kind in LASTS_S
    assert kind in ASKED
    ward.order(kind=kind)
    ward.tell("unknown")
    (alarm,) = ward.alarms()
    assert (Kind(alarm.kind), alarm.level) == DANGER[kind]
    with ward.server.db.read() as tx:
        text = tx.scalar(sa.text("SELECT text FROM outbox ORDER BY id DESC LIMIT 1"))
    assert "outcome unknown" in text, "the phone says what it is about, and no medicine"


def test_the_longest_order_fits_its_message(ward: Ward) -> None:
    ward.order(kind="schedule", data={"doses": "x" * 2000})
    ward.tick(seconds=1)
    (payload,) = [payload for topic, payload in ward.carried if topic.endswith("/down/command")]
    assert len(payload) < MAX_COMMAND_BYTES
    assert order_id(decode(payload, Command).order) == int(ID, 16)


def test_the_words_are_those_of_the_wire() -> None:
    assert {word.value for word in STEPS} == set(ORDER_STEPS)


@given(st.lists(st.sampled_from(list(Word)), max_size=8), st.sampled_from(["done", "not_done", "unclear"]))
def test_in_whatever_order_words_come_nothing_known_is_lost_and_nothing_unsaid_is_done(
    words: list[Word], found: str
) -> None:
    order = Order(ID, "eva", "disp-1", "gw-1", "dispense", {}, "why", "Kari", 0, 10)
    for n, word in enumerate(words):
        before, order = order, hear(order, word, n)
        assert (order.state is before.state) or (before.state, word) in AFTER or order.found == "done"
        assert not (order.state in OPEN and before.state not in OPEN), "what has ended never begins again"
        if order.state in TO_LOOK_AT and n % 3 == 2:
            order = look(order, "Kari", n, found, "") or order
    if order.state is State.DONE:
        assert Word.DONE in words
    if {Word.DONE, Word.REFUSED, Word.EXPIRED, Word.UNKNOWN, Word.OVERDUE} & set(words):
        assert order.state not in OPEN
    if Word.DONE in words:
        assert order.state in (State.DONE, State.DISPUTED, State.LOOKED_AT)
    assert look(order, "Kari", 9, found, "") is None or order.state in TO_LOOK_AT
