"""Whose a device is: given and taken back on the page, never two people's at once, and nothing filed is moved."""

import httpx
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from server.access import organisations
from server.audit.store import audit
from server.fleet import holders
from server.fleet.holders import Refused
from server.site import build
from tests.server.conftest import START_NS, TOWN, Town, at, spo2
from vitals.clock import MS, NS
from vitals.errors import ConfigError
from vitals.wire import DeviceHealth

HOME = "http://hjemvakt.test"
PASSWORD = "a long enough secret"  # noqa: S105
HOUR = 3600 * NS
_KEPT = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
STAFF = "".join(
    f'\n[[staff]]\nid = "{id_}"\nname = "{name}"\nrole = "{role}"\npassword_hash = "{_KEPT}"\n'
    for id_, name, role in (("siri", "Siri Berg", "nurse"), ("spes", "Tor Lie", "specialist"))
)


@pytest.fixture
def town(tmp_path, database):
    town = Town(tmp_path, TOWN + STAFF, database)
    town.beat(devices=(DeviceHealth("cuff", "bls-1810", "idle"),))
    yield town
    town.server.close()


@pytest.fixture
async def siri(town):
    async with _signed_in(town, "siri") as client:
        yield client


def _signed_in(town, username):
    class Session(httpx.AsyncClient):
        async def __aenter__(self):
            await super().__aenter__()
            said = {"username": username, "password": PASSWORD}
            assert (await self.post("/api/session", json=said)).status_code == 200
            return self

    transport = httpx.ASGITransport(build(town.server))
    return Session(transport=transport, base_url=HOME, headers={"Origin": HOME})


async def give(client, device, patient, from_ns=None, **more):
    said = {"patient_id": patient, "why": "utlevert", "sure": True, **more}
    return await client.post(f"/api/fleet/devices/{device}/give", json=said | {"from_ms": from_ns and from_ns // MS})


async def take_back(client, device, to_ns=None, **more):
    said = {"why": "levert inn", "sure": True, **more}
    return await client.post(f"/api/fleet/devices/{device}/take-back", json=said | {"to_ms": to_ns and to_ns // MS})


async def test_a_device_is_taken_back_and_given_to_another_whose_readings_are_theirs_from_then_on(town, siri):
    town.send(spo2(94, START_NS))
    town.clock.advance(hours=1)
    assert (await take_back(siri, "oximeter")).json()["done"]
    town.clock.advance(minutes=10)
    town.send(spo2(80, town.clock.now_ns()), first=1)
    assert town.aside() == ["no patient"], "while it lies in the cupboard nobody is ill"
    town.clock.advance(minutes=10)
    assert (await give(siri, "oximeter", "odd")).status_code == 200
    town.send(spo2(91, town.clock.now_ns()), first=2)
    assert (town.values("eva"), town.values("odd")) == ([94], [91])
    had = (await siri.get("/api/fleet/devices/oximeter/holders")).json()
    assert [(one["name"], one["given_by"], one["ended_by"]) for one in had] == [
        ("Odd", "Siri Berg", None), ("Eva", None, "Siri Berg"),
    ]  # fmt: skip
    with town.server.db.read() as tx:
        said = sa.select(audit.c.what, audit.c.patient_id).where(audit.c.what.like("%device%")).order_by(audit.c.id)
        assert tx.execute(said).all() == [("take device back", "eva"), ("give device", "odd")]


async def test_a_device_that_somebody_has_is_not_given_to_another_not_even_in_the_past(town, siri):
    refused = await give(siri, "oximeter", "odd")
    assert refused.status_code == 409
    assert "oximeter is Eva's" in refused.json()["detail"]
    assert "take it back" in refused.json()["detail"]
    # The scale was Odd's until the first of March, and Eva's from that evening on.
    assert (await take_back(siri, "scale")).status_code == 200
    for moment in ("2026-03-01T11:59", "2026-02-01T00:00", "2025-01-01T00:00"):
        assert (await give(siri, "scale", "odd", at(moment))).status_code == 409, moment
    with town.server.db.read() as tx:
        assert [one.patient_id for one in holders.history(tx, "scale")] == ["eva", "odd"]


async def test_before_anything_is_done_it_is_told_what_follows(town, siri):
    town.send(*(spo2(94, START_NS + n * NS) for n in range(3)))
    town.clock.advance(hours=1)
    asked = (await take_back(siri, "oximeter", START_NS + 1 * NS, sure=False)).json()
    assert asked["done"] is False
    assert asked["stays"] == [{"patient_id": "eva", "name": "Eva", "readings": 2}]
    assert asked["holders"][0]["to_ms"] is None, "it is still hers"
    done = (await take_back(siri, "oximeter", START_NS + 1 * NS)).json()
    assert (done["done"], done["stays"]) == (True, asked["stays"])
    assert len(town.values("eva")) == 3, "what is filed is not moved"
    town.send(spo2(90, START_NS + 2 * NS, record="late"), first=9)
    assert town.aside() == ["no patient"], "what comes late is nobody's, by the time of measurement"
    again = (await give(siri, "oximeter", "odd", START_NS + 1 * NS, sure=False)).json()
    assert again["aside"] == 1


@pytest.mark.parametrize(
    ("device", "more", "status", "says"),
    [
        ("cuff", {"from_ns": START_NS + HOUR}, 409, "future"),
        ("toaster", {}, 404, "there is no device 'toaster'"),
        ("answers-eva", {}, 404, "see the equipment page"),
        ("cuff", {"why": "x"}, 422, "why"),
        ("cuff", {"user_slot": 300}, 422, "user_slot"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_reason(siri, device, more, status, says):
    refused = await give(siri, device, "odd", **more)
    assert refused.status_code == status
    assert says in refused.json()["detail"]


async def test_a_patient_whom_nobody_knows_gets_nothing_and_a_specialist_elsewhere_gives_nothing(town, siri):
    assert (await give(siri, "cuff", "nobody")).status_code == 404
    async with _signed_in(town, "spes") as elsewhere:
        assert (await give(elsewhere, "cuff", "eva")).status_code == 404
        with town.server.db.write() as tx:
            organisations.relate(
                tx, "eva", staff="spes", purpose="consultation", from_ns=START_NS, until_ns=None, made_by="a test"
            )
        assert (await give(elsewhere, "cuff", "eva")).status_code == 403


async def test_what_was_said_on_the_page_outlives_the_municipality_file(town, siri):
    await take_back(siri, "oximeter")
    town.clock.advance(minutes=1)
    await give(siri, "oximeter", "odd")
    town.begin_again()  # the file still says that it is Eva's, without an end
    town.send(spo2(91, town.clock.now_ns()))
    assert (town.values("eva"), town.values("odd")) == ([], [91])


async def test_a_file_that_gives_what_the_page_has_given_is_refused(town, siri):
    await give(siri, "cuff", "odd")
    file = town.folder / "municipality.toml"
    file.write_text(
        file.read_text() + '\n[[assignments]]\ndevice = "cuff"\npatient = "eva"\nfrom = 2026-03-03T00:00:00Z\n'
    )
    with pytest.raises(ConfigError, match="cuff would belong to odd and eva"):
        town.begin_again()


def test_two_at_once_do_not_both_get_it(town):
    with town.server.db.write() as tx:
        holders.give(tx, "cuff", "eva", START_NS, None, "Siri Berg", "utlevert", START_NS)
        with pytest.raises(Refused, match="cuff is Eva's"):
            holders.give(tx, "cuff", "odd", START_NS, None, "Per Dahl", "utlevert", START_NS)
