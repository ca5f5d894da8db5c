"""An administrator sets a gateway from afar: signed, said until it runs, and never over a colleague's head."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from server.audit.store import audit
from server.config import Database as DatabaseConfig
from server.fleet import desired
from server.fleet.desired import AGAIN_S, LASTS_S
from server.ingest.store import Message
from tests.server.test_orders import SignIn, Ward
from tests.server.test_orders import signed_in as signed_in  # a fixture
from vitals import wire
from vitals.clock import MS, NS
from vitals.seal import bound, split_signed
from vitals.wire import Desired, DesiredDevice, DeviceHealth, Health, Settings, decode, encode, retained, up

CONFIG = "/api/gateways/gw-1/config"
BOX = {"id": "disp-9", "driver": "hjemvakt-dispenser", "port": "/dev/serial/by-id/box"}
WISH = {"devices": [BOX], "heartbeat_s": 20.0, "limits": {"spo2_floor": 88.0}}
SETTINGS = Settings((DesiredDevice("disp-9", "hjemvakt-dispenser", port=BOX["port"]),), 20.0, {"spo2_floor": 88.0})


@pytest.fixture
def ward(tmp_path: Path, database: DatabaseConfig) -> Iterator[Ward]:
    ward = Ward(tmp_path, database)
    yield ward
    ward.server.close()


@pytest.fixture
async def anne(signed_in: SignIn) -> httpx.AsyncClient:
    return await signed_in("anne")


def sent(ward: Ward) -> list[Desired]:
    """The configurations published since the last look, each found to be signed by the server and retained."""
    said: list[Message] = [one for one in ward.carried if not one[0].endswith("/down/wishes")]
    ward.carried.clear()
    key = load_pem_public_key(ward.server.signer.public_pem())
    assert isinstance(key, Ed25519PublicKey)
    documents = []
    for topic, payload in said:
        assert topic == wire.down("gw-1", "config")
        assert retained(topic)
        signature, body = split_signed(payload)
        key.verify(signature, bound(topic, body))
        documents.append(decode(body, Desired))
    return documents


def beat(ward: Ward, version: int = 0, hash: str = "", refused: str = "", *devices: str) -> None:
    """The heartbeat, with what it says of its configuration."""
    told = Health(
        "gw-1", "e", ward.clock.now_ns(), "0.1", 0, devices=tuple(DeviceHealth(one, "x", "idle") for one in devices),
        config_version=version, config_hash=hash, config_refused=refused,
    )  # fmt: skip
    ward.server.receive(up("gw-1", "health"), encode(told))


async def put(client: httpx.AsyncClient, version: int, settings: object = WISH) -> httpx.Response:
    return await client.put(CONFIG, json={"version": version, "settings": settings})


async def shown(client: httpx.AsyncClient) -> tuple[str | None, str | None]:
    """What the equipment page says of it."""
    (row,) = [row for row in (await client.get("/api/fleet")).json() if row["id"] == "gw-1"]
    return row["config"], row["config_refused"]


async def test_what_is_wanted_goes_out_signed_again_and_again_until_it_runs(
    ward: Ward, anne: httpx.AsyncClient
) -> None:
    nothing = (await anne.get(CONFIG)).json()
    assert (nothing["version"], nothing["state"], nothing["settings"]["devices"]) == (0, "none", None)
    assert await shown(anne) == (None, None)
    answer = (await put(anne, 0)).json()
    assert (answer["version"], answer["state"], answer["changed_by"]) == (1, "waiting", "Anne")
    assert answer["changed_ms"] == ward.clock.now_ns() // MS
    ward.tick(seconds=1)
    (document,) = sent(ward)
    assert (document.gateway, document.version, document.body, document.hash) == (
        "gw-1", 1, SETTINGS, SETTINGS.digest(),
    )  # fmt: skip
    assert document.issued_ns == ward.clock.now_ns()
    assert document.expires_ns - document.issued_ns == LASTS_S * NS
    assert await shown(anne) == ("waiting", None)
    ward.tick(seconds=AGAIN_S - 1)
    assert sent(ward) == []
    beat(ward)
    ward.tick(seconds=2)
    (again,) = sent(ward)
    assert (again.version, again.hash) == (1, document.hash)
    assert again.issued_ns == ward.clock.now_ns(), "signed anew: what is kept back grows old"
    beat(ward, 1, document.hash)
    assert await shown(anne) == ("applied", None)
    ward.tick(hours=1)
    assert sent(ward) == []


async def test_a_gateway_that_is_away_is_not_shouted_after_and_gets_it_when_it_is_back(
    ward: Ward, anne: httpx.AsyncClient
) -> None:
    await put(anne, 0)
    ward.tick(seconds=1)
    assert len(sent(ward)) == 1
    ward.tick(hours=1)  # in this round it is found to be silent
    sent(ward)
    ward.tick(hours=24 * 40)
    assert sent(ward) == []
    beat(ward)
    ward.tick(seconds=1)
    (document,) = sent(ward)
    assert document.expires_ns > ward.clock.now_ns()


async def test_a_hub_that_was_replaced_and_starts_with_nothing_is_given_it_again(
    ward: Ward, anne: httpx.AsyncClient
) -> None:
    await put(anne, 0)
    ward.tick(seconds=1)
    beat(ward, 1, SETTINGS.digest())
    ward.tick(seconds=120)
    sent(ward)
    beat(ward)
    ward.tick(seconds=1)
    assert [one.version for one in sent(ward)] == [1]


async def test_what_the_gateway_refuses_is_shown_with_its_reason_until_somebody_mends_it(
    ward: Ward, anne: httpx.AsyncClient
) -> None:
    await put(anne, 0)
    beat(ward, refused="version 1: device 'disp-9': no driver is called so")
    assert await shown(anne) == ("refused", "version 1: device 'disp-9': no driver is called so")
    assert (await anne.get(CONFIG)).json()["refused"] == "version 1: device 'disp-9': no driver is called so"
    await put(anne, 1, {"heartbeat_s": 20})
    assert await shown(anne) == ("waiting", None)
    beat(ward, 2, Settings(heartbeat_s=20.0).digest(), "an older one was played again")
    assert await shown(anne) == ("applied", None)


async def test_of_two_administrators_the_second_is_told_who_was_first(ward: Ward, anne: httpx.AsyncClient) -> None:
    assert (await put(anne, 0)).status_code == 200
    answer = await put(anne, 0, {"heartbeat_s": 20})
    assert answer.status_code == 409
    assert "Anne has changed it to version 1; reload" in answer.json()["detail"]
    assert (await anne.get(CONFIG)).json()["settings"]["heartbeat_s"] == 20
    never = await anne.put("/api/gateways/gw-2/config", json={"version": 7, "settings": WISH})
    assert never.status_code == 409
    assert "has no configuration from here" in never.json()["detail"]


async def test_no_version_is_used_twice_though_a_backup_was_put_back(ward: Ward, anne: httpx.AsyncClient) -> None:
    beat(ward, 7, "0123456789abcdef")
    assert (await put(anne, 0)).json()["version"] == 8
    ward.begin_again()
    ward.listen()
    with ward.server.db.read() as tx:
        found = desired.wanted(tx, "gw-1")
    assert found is not None
    assert found.version == 8


async def test_devices_that_the_new_configuration_does_not_name_leave_the_page(
    ward: Ward, anne: httpx.AsyncClient
) -> None:
    async def devices() -> list[str]:
        (row,) = [row for row in (await anne.get("/api/fleet")).json() if row["id"] == "gw-1"]
        return [device["id"] for device in row["devices"]]

    assert await devices() == ["disp-1"]
    beat(ward, 0, "", "", "disp-2")
    assert await devices() == ["disp-1", "disp-2"], "without a new configuration nobody is forgotten"
    beat(ward, 1, "abc", "", "disp-9")
    assert await devices() == ["disp-9"]


async def test_who_changed_what_is_in_the_audit_log_and_only_administrators_may(
    ward: Ward, signed_in: SignIn, anne: httpx.AsyncClient
) -> None:
    kari = await signed_in("kari")
    assert (await put(kari, 0)).status_code == 403
    assert (await kari.get(CONFIG)).status_code == 403
    assert (await put(anne, 0)).status_code == 200
    with ward.server.db.read() as tx:
        rows = [(row.who, row.detail) for row in tx.execute(sa.select(audit)) if row.what == "configure gateway"]
    assert rows == [("anne", f"gateway gw-1, version 1 ({SETTINGS.digest()}), devices: disp-9")]


WRONG: dict[str, tuple[Any, str]] = {
    "the broker's address": ({"uplink": {"host": "elsewhere"}}, "uplink"),
    "the data folder": ({"data": "elsewhere"}, "data"),
    "the spool's size": ({"spool_mb": 1}, "spool_mb"),
    "a password": ({"devices": [{**BOX, "password": "x"}]}, "password"),
    "no address": ({"devices": [{**BOX, "address": "AA"}]}, "address"),
    "no name": ({"devices": [{**BOX, "id": "a/b"}]}, "id"),
    "no parity": ({"devices": [{**BOX, "parity": "X"}]}, "parity"),
    "a heartbeat so slow that it counts as silent": ({"heartbeat_s": 46}, "give it 22.5 at most"),
    "no heartbeat": ({"heartbeat_s": 0}, "heartbeat_s"),
    "too many": ({"devices": [BOX] * 101}, "devices"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_may_not_be_set_from_afar_is_refused_at_once(ward: Ward, anne: httpx.AsyncClient, what: str) -> None:
    settings, said = WRONG[what]
    answer = await put(anne, 0, settings)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert (await anne.get(CONFIG)).json()["version"] == 0
    ward.tick(seconds=1)
    assert sent(ward) == []


async def test_a_gateway_that_does_not_exist_is_not_there(anne: httpx.AsyncClient) -> None:
    for call in (anne.get, lambda path: anne.put(path, json={"version": 0, "settings": {}})):
        answer = await call("/api/gateways/gw-9/config")  # type: ignore[operator]
        assert answer.status_code == 404


async def test_the_longest_that_can_be_asked_for_fits_the_wire(ward: Ward, anne: httpx.AsyncClient) -> None:
    device: Callable[[int], dict[str, Any]] = lambda n: {  # noqa: E731
        "id": f"{n:063}", "driver": "d" * 64, "port": "/" * 200, "baud": 115_200, "bits": 8, "parity": "N", "stop": 1,
    }  # fmt: skip
    wish = {"devices": [device(n) for n in range(100)], "limits": {f"{n:064}": 1.0 for n in range(100)}}
    assert (await put(anne, 0, wish)).status_code == 200
    ward.tick(seconds=1)
    (document,) = sent(ward)
    assert document.body.devices is not None
    assert len(document.body.devices) == 100
