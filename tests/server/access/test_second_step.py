"""A second step at sign-in: enrolled with a square, asked for from then on, each code good once."""

import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pyotp
import pytest
import sqlalchemy as sa

from server.access import steps
from server.access.vault import Vault
from vitals.clock import NS
from vitals.errors import ConfigError

from .conftest import PASSWORD, STAFF, Comes, Region, visitor

MINE = {"password": PASSWORD}
KARI = {"username": "kari", "password": PASSWORD}


@pytest.fixture
def code(town_region: Region) -> Callable[..., str]:
    """What the authenticator shows, so many half minutes from now."""

    def shown(secret: str, later: int = 0) -> str:
        return pyotp.TOTP(secret).generate_otp(town_region.wall_ns // NS // 30 + later)

    return shown


async def enrolled(kari: httpx.AsyncClient, code: Callable[..., str]) -> tuple[str, list[str]]:
    begun = (await kari.post("/api/me/second-step", json=MINE)).json()
    confirmed = await kari.post("/api/me/second-step/confirm", json={"code": code(begun["secret"])})
    assert confirmed.status_code == 200, confirmed.text
    return begun["secret"], confirmed.json()["codes"]


async def test_the_square_says_what_the_secret_is(town_region: Region, comes: Comes) -> None:
    kari = await comes("kari")
    begun = (await kari.post("/api/me/second-step", json=MINE)).json()
    told = pyotp.parse_uri(begun["uri"])
    assert (told.secret, told.name, told.issuer) == (begun["secret"], "kari", "Hjemvakt Prøveby")
    assert begun["square"].startswith("<svg ")
    assert (await kari.get("/api/me/security")).json()["second_step"] is False, "nobody has confirmed it"
    async with visitor(town_region.app) as again:
        assert (await again.post("/api/session", json=KARI)).status_code == 200


async def test_from_then_on_the_password_alone_is_not_enough(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    kari, elsewhere = await comes("kari"), await comes("kari")
    secret, codes = await enrolled(kari, code)
    assert (await elsewhere.get("/api/session")).status_code == 401, "a session of before is one without the step"
    assert (len(set(codes)), (await kari.get("/api/me/security")).json()["recovery_left"]) == (10, 10)
    async with visitor(town_region.app) as again:
        asked = await again.post("/api/session", json=KARI)
        assert (asked.status_code, asked.json()["needs"]) == (401, "code")
        assert "set-cookie" not in asked.headers
        town_region.wall_ns += 60 * NS
        wrong = await again.post("/api/session", json={**KARI, "code": code(secret, later=-9)})
        assert (wrong.status_code, "code is wrong" in wrong.json()["detail"]) == (401, True)
        right = await again.post("/api/session", json={**KARI, "code": code(secret)})
        assert right.status_code == 200
        assert (await again.get("/api/me/security")).json()["way"] == "two steps"


async def test_a_code_is_good_once(town_region: Region, comes: Comes, code: Callable[..., str]) -> None:
    secret, _ = await enrolled(await comes("kari"), code)
    async with visitor(town_region.app) as client:
        said = {**KARI, "code": code(secret)}
        assert (await client.post("/api/session", json=said)).status_code == 401, "it has confirmed the enrolment"
        town_region.wall_ns += 30 * NS
        said = {**KARI, "code": code(secret)}
        assert (await client.post("/api/session", json=said)).status_code == 200
        assert (await client.post("/api/session", json=said)).status_code == 401
        old = {**KARI, "code": code(secret, later=-1)}
        assert (await client.post("/api/session", json=old)).status_code == 401, "nor one of before it"


async def test_a_recovery_code_is_good_once_and_typed_as_people_type(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    _, codes = await enrolled(await comes("kari"), code)
    async with visitor(town_region.app) as client:
        said = {**KARI, "code": codes[3].lower().replace("-", " ")}
        assert (await client.post("/api/session", json=said)).status_code == 200
        assert (await client.get("/api/me/security")).json()["recovery_left"] == 9
        assert (await client.post("/api/session", json=said)).status_code == 401


async def test_codes_cannot_be_guessed_by_who_knows_the_password(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    secret, _ = await enrolled(await comes("kari"), code)
    town_region.wall_ns += 60 * NS
    async with visitor(town_region.app) as client:
        answers = [
            (await client.post("/api/session", json={**KARI, "code": f"{number:06}"})).status_code
            for number in range(7)
        ]
        assert answers == [401] * 5 + [429] * 2
        late = await client.post("/api/session", json={**KARI, "code": code(secret)})
        assert (late.status_code, int(late.headers["retry-after"]) > 200) == (429, True)


async def test_nor_by_who_sits_at_an_open_screen_and_knows_the_password(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    kari = await comes("kari")
    secret, _ = await enrolled(kari, code)
    town_region.wall_ns += 60 * NS

    async def tried(said: str) -> int:
        return (await kari.post("/api/me/second-step/remove", json={**MINE, "code": said})).status_code

    assert [await tried(f"{number:06}") for number in range(7)] == [409] * 5 + [429] * 2
    assert await tried(code(secret)) == 429
    async with visitor(town_region.app) as client:
        said = {**KARI, "code": code(secret)}
        assert (await client.post("/api/session", json=said)).status_code == 429, "they are the same tries"
    town_region.wall_ns += 301 * NS
    assert await tried(code(secret)) == 204


async def test_it_is_taken_off_with_password_and_code_or_by_an_administrator(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    kari, odd, bente = await comes("kari"), await comes("odd"), await comes("bente")
    secret, _ = await enrolled(kari, code)
    town_region.wall_ns += 60 * NS
    assert (await kari.post("/api/me/second-step", json=MINE)).status_code == 409
    off = {**MINE, "code": code(secret)}
    assert (await kari.post("/api/me/second-step/remove", json={**off, "password": "no"})).status_code == 401
    assert (await kari.post("/api/me/second-step/remove", json={**off, "code": "000000"})).status_code == 409
    assert (await kari.post("/api/me/second-step/remove", json=off)).status_code == 204
    assert (await kari.get("/api/me/security")).json()["second_step"] is False
    await enrolled(kari, lambda secret: code(secret, later=1))
    assert (await bente.post("/api/people/kari/second-step/reset")).status_code == 404, "she is not Bodø's"
    assert (await odd.post("/api/people/kari/second-step/reset")).json()["second_step"] is False
    assert (await kari.get("/api/session")).status_code == 401


async def test_an_administrator_does_not_reset_their_own(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    odd = await comes("odd")
    await enrolled(odd, code)
    refused = await odd.post("/api/people/odd/second-step/reset")
    assert (refused.status_code, "password and a code" in refused.json()["detail"]) == (409, True)
    assert (await odd.get("/api/me/security")).json()["second_step"] is True
    async with visitor(town_region.app) as elsewhere:
        assert (await elsewhere.post("/api/session", json={**KARI, "username": "odd"})).json()["needs"] == "code"


def test_the_database_knows_no_recovery_code(town_region: Region) -> None:
    with town_region.write() as tx:
        secret = steps.begin(tx, town_region.server.vault, "kari")
        codes = steps.confirm(tx, town_region.server.vault, "kari", pyotp.TOTP(secret).generate_otp(5), 5 * 30 * NS)
        assert codes is not None
        kept = str(tx.exec_driver_sql("SELECT * FROM recovery_codes").all())
    assert not any(one in kept or one.replace("-", "") in kept for one in codes)


def kept(region: Region, staff: str = "kari") -> str:
    with region.server.db.read() as tx:
        return str(tx.scalar(sa.select(steps.second_steps.c.secret).where(steps.second_steps.c.staff == staff)))


async def test_the_database_alone_has_nobodys_second_step(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    secret, _ = await enrolled(await comes("kari"), code)
    assert secret not in kept(town_region)
    key = town_region.config.data / "authority" / "secrets.key"
    assert (stat.S_IMODE(key.stat().st_mode), len(key.read_bytes())) == (0o600, 32)
    await enrolled(await comes("ingrid"), code)
    with town_region.write() as tx:  # whoever may write the database puts a secret of their own in her place
        theirs = kept(town_region, "ingrid")
        tx.execute(steps.second_steps.update().where(steps.second_steps.c.staff == "kari").values(secret=theirs))
    async with visitor(town_region.answer) as client:
        answer = await client.post("/api/session", json={**KARI, "code": "123456"})
        assert (answer.status_code, "recovery code" in answer.json()["detail"]) == (409, True)


async def test_what_lay_plain_is_sealed_at_the_next_start_and_goes_on_working(
    town_region: Region, comes: Comes, code: Callable[..., str]
) -> None:
    secret, _ = await enrolled(await comes("kari"), code)
    with town_region.write() as tx:
        tx.execute(steps.second_steps.update().values(secret=secret))  # as a server of before kept it
    town_region.begin_again()
    assert secret not in kept(town_region)
    town_region.wall_ns += 60 * NS
    async with visitor(town_region.answer) as client:
        assert (await client.post("/api/session", json={**KARI, "code": code(secret)})).status_code == 200
    town_region.server.close()
    for file in town_region.config.data.glob("hjemvakt.sqlite*"):
        assert secret.encode() not in file.read_bytes(), "nor where it was"
    town_region.begin_again()


async def test_without_its_key_a_second_step_opens_nothing_and_is_set_up_anew(
    town_region: Region, comes: Comes, code: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    secret, codes = await enrolled(await comes("kari"), code)
    (town_region.config.data / "authority" / "secrets.key").unlink()
    town_region.begin_again()
    assert "1 second steps cannot be read" in caplog.text
    town_region.wall_ns += 60 * NS
    async with visitor(town_region.answer) as client:
        assert (await client.post("/api/session", json=KARI)).json()["needs"] == "code", (
            "the password alone opens nothing"
        )
        assert (await client.post("/api/session", json={**KARI, "code": code(secret)})).status_code == 409
        assert (await client.get("/api/session")).status_code == 401
        assert (await client.post("/api/session", json={**KARI, "code": codes[0]})).status_code == 200
        off = await client.post("/api/me/second-step/remove", json={**MINE, "code": codes[1]})
        assert off.status_code == 204
        await enrolled(client, code)


def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets.key").write_bytes(b"short")
    with pytest.raises(ConfigError, match=r"secrets\.key holds no key.*from the backup"):
        Vault.open(tmp_path)


async def test_where_i_am_signed_in_and_out_again_from_afar(town_region: Region, comes: Comes) -> None:
    here, there, third = await comes("kari"), await comes("kari"), await comes("kari")
    found = (await here.get("/api/me/security")).json()["sessions"]
    assert sorted(one["mine"] for one in found) == [False, False, True]
    assert all("httpx" in one["browser"] for one in found)
    (mine,) = [one["name"] for one in found if one["mine"]]
    (other,) = [one["name"] for one in (await there.get("/api/me/security")).json()["sessions"] if one["mine"]]
    per = await comes("ingrid")
    assert (await per.delete(f"/api/me/sessions/{other}")).status_code == 404, "nobody ends another's"
    assert (await here.delete(f"/api/me/sessions/{other}")).status_code == 204
    assert (await there.get("/api/session")).status_code == 401
    assert (await here.delete("/api/me/sessions")).status_code == 204
    assert (await third.get("/api/session")).status_code == 401
    assert [one["name"] for one in (await here.get("/api/me/security")).json()["sessions"]] == [mine]


async def test_an_administrator_keeps_their_own_organisations_people(town_region: Region, comes: Comes) -> None:
    odd, bente, kari = await comes("odd"), await comes("bente"), await comes("kari")
    assert {one["id"] for one in (await odd.get("/api/people")).json()["people"]} == set(STAFF), (
        "Salten keeps the system"
    )
    assert {one["id"] for one in (await bente.get("/api/people")).json()["people"]} == {"berit", "bjarne", "bente"}
    for deed in ("lock", "unlock", "sign-out"):
        assert (await bente.post(f"/api/people/kari/{deed}")).status_code == 404
    assert (await bente.get("/api/people/kari/sessions")).status_code == 404
    assert len((await odd.get("/api/people/kari/sessions")).json()) == 1
    assert (await odd.post("/api/people/odd/lock")).status_code == 409
    assert (await odd.post("/api/people/kari/lock")).json()["locked_ms"] is not None
    assert (await kari.get("/api/session")).status_code == 401
    async with visitor(town_region.app) as again:
        assert (await again.post("/api/session", json=KARI)).status_code == 401
        town_region.begin_again()  # the file says nothing of locks, and does not take one off
        assert (await odd.post("/api/people/kari/unlock")).status_code == 200
    assert [what for who, what in town_region.audited(None) if who == "odd"] == ["sign in", "lock", "unlock"]


async def test_a_relation_is_made_and_ended_by_the_patients_administrator(town_region: Region, comes: Comes) -> None:
    odd, bente, berit = await comes("odd"), await comes("bente"), await comes("berit")
    wanted = {"patient": "solveig", "organisation": "bodo", "purpose": "treatment"}
    assert (await bente.post("/api/relations", json=wanted)).status_code == 404, "nobody takes another's patient"
    made = (await odd.post("/api/relations", json=wanted)).json()
    assert (await berit.get("/api/patients/solveig")).status_code == 200
    assert (await bente.post(f"/api/relations/{made['id']}/end")).status_code == 404
    assert (await odd.post(f"/api/relations/{made['id']}/end")).status_code == 200
    assert (await odd.post(f"/api/relations/{made['id']}/end")).status_code == 409
    assert (await berit.get("/api/patients/solveig")).status_code == 404
    for wrong, status in (
        ({"organisation": None}, 422), ({"staff": "berit"}, 422), ({"organisation": "mars"}, 422),
        ({"until_ms": 1}, 422), ({"patient": "arne"}, 404),
    ):  # fmt: skip
        assert (await odd.post("/api/relations", json=wanted | wrong)).status_code == status, wrong
