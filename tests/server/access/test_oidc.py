"""Signing in by a provider of identities, against a real one that runs beside the test."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import RSAKey

from server.access import oidc
from server.access.door import GOING_OUT
from server.access.oidc import BACK, Failed, Provider
from server.access.store import lock
from server.config import Oidc, load
from tests.ports import free_port
from tests.waiting import until
from vitals.errors import ConfigError

from .conftest import HOME, Region, region, visitor

SUBJECT = "248289761001"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider that knows two people and insists on a nonce; a program of its own."""
    port = free_port()
    known = [word for one in (SUBJECT, "somebody else") for word in ("--user", one)]
    said = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port), "-n", "true", *known]
    at = f"http://127.0.0.1:{port}"
    with subprocess.Popen(said, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:

        def answers() -> bool:
            assert program.poll() is None, "the provider did not begin"
            try:
                return httpx.get(f"{at}/.well-known/openid-configuration").is_success
            except httpx.TransportError:
                return False

        until(answers, 60)
        yield at
        program.terminate()


def configured(folder: Path, issuer: str, **more: object) -> Oidc:
    secret = folder / "secret"
    secret.write_text("a secret of the provider's\n", encoding="utf-8")
    return msgspec.structs.replace(Oidc(issuer, "hjemvakt", "HelseID", secret_file=secret), **more)


@pytest.fixture
def town(tmp_path: Path, issuer: str) -> Iterator[Region]:
    """Kari has no password; the provider knows her."""
    staff = region()["staff"]
    staff[0] = {**staff[0], "password_hash": "", "subject": SUBJECT}
    made = Region(tmp_path, town={"staff": staff})
    made.site(provider=Provider(configured(tmp_path, issuer), HOME))
    yield made
    made.server.close()


async def there(url: str, subject: str = SUBJECT, **said: str) -> str:
    """What somebody does at the provider; returns where the browser is sent back to."""
    async with httpx.AsyncClient() as provider:
        answer = await provider.post(url, data={"sub": subject, **said})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def test_a_nurse_comes_in_and_goes_out_again(town: Region, issuer: str) -> None:
    async with visitor(town.app) as browser:
        out = await browser.get("/api/session/oidc")
        url = out.headers["location"]
        asked = parse_qs(urlsplit(url).query)
        assert (out.status_code, asked["code_challenge_method"], asked["redirect_uri"]) == (
            303,
            ["S256"],
            [HOME + BACK],
        )
        assert {"HttpOnly", "SameSite=lax"} <= set(out.headers["set-cookie"].split("; "))
        back = await browser.get(await there(url))
        assert (back.status_code, back.headers["location"]) == (303, "/")
        assert GOING_OUT not in browser.cookies
        assert (await browser.get("/api/session")).json()["name"] == "Kari Olsen"
        security = (await browser.get("/api/me/security")).json()
        assert (security["way"], security["password"]) == ("oidc", False)
        assert (await browser.post("/api/me/second-step", json={"password": "x"})).status_code == 409
        assert (await browser.delete("/api/session")).status_code == 204
        leaving = (await browser.get("/api/session/oidc/out")).headers["location"]
        assert leaving.startswith(issuer)
        assert parse_qs(urlsplit(leaving).query)["post_logout_redirect_uri"] == [HOME + "/"]
        assert (await browser.get("/api/session")).status_code == 401
        password = {"username": "kari", "password": "any"}
        assert (await browser.post("/api/session", json=password)).status_code == 401, "she has none"


async def test_a_subject_that_is_nobodys_comes_in_nowhere(town: Region) -> None:
    async with visitor(town.app) as browser:
        url = (await browser.get("/api/session/oidc")).headers["location"]
        back = await browser.get(await there(url, "somebody else"))
        assert back.headers["location"] == "/?sign-in=unknown"
        assert (await browser.get("/api/session")).status_code == 401


async def test_a_locked_account_does_not_come_in_by_the_back_door(town: Region) -> None:
    with town.write() as tx:
        lock(tx, "kari", town.wall_ns)
    async with visitor(town.app) as browser:
        url = (await browser.get("/api/session/oidc")).headers["location"]
        assert (await browser.get(await there(url))).headers["location"] == "/?sign-in=unknown"


async def test_who_says_no_there_is_told_so(town: Region) -> None:
    async with visitor(town.app) as browser:
        url = (await browser.get("/api/session/oidc")).headers["location"]
        back = await browser.get(await there(url, action="deny"))
        assert back.headers["location"] == "/?sign-in=denied"


async def test_an_answer_to_another_question_is_none(town: Region) -> None:
    async with visitor(town.app) as browser, visitor(town.app) as thief:
        url = (await browser.get("/api/session/oidc")).headers["location"]
        answer = await there(url)
        assert (await thief.get(answer)).headers["location"] == "/?sign-in=expired", "a browser that asked nothing"
        await thief.get("/api/session/oidc")
        assert (await thief.get(answer)).headers["location"] == "/?sign-in=refused", "one that asked something else"
        assert (await browser.get(answer)).headers["location"] == "/"
        assert (await browser.get(answer)).headers["location"] == "/?sign-in=expired", "an answer is good once"


@pytest.mark.parametrize("query", ["", "?error=server_error&state=x", "?code=x&state=y", "?error=access_denied"])
async def test_a_callback_out_of_nowhere_is_no_mistake_of_ours(town: Region, query: str) -> None:
    async with visitor(town.app) as browser:
        back = await browser.get(BACK + query)
        assert (back.status_code, back.headers["location"]) == (303, "/?sign-in=expired")


@pytest.mark.parametrize("kept", ["5", "null", "[1]", "{}", "not json"])
async def test_nor_one_with_a_cookie_that_is_not_ours(town: Region, kept: str) -> None:
    async with visitor(town.app) as browser:
        browser.cookies.set(GOING_OUT, kept)
        back = await browser.get(BACK + "?code=x&state=y")
        assert (back.status_code, back.headers["location"]) == (303, "/?sign-in=expired")


async def test_nobody_writes_a_line_of_their_own_into_the_log(town: Region, caplog: pytest.LogCaptureFixture) -> None:
    async with visitor(town.app) as browser:
        await browser.get("/api/session/oidc")
        back = await browser.get(BACK, params={"error": "x\n2026-11-21 08:05:00 INFO server: all is well"})
        assert back.headers["location"] == "/?sign-in=refused"
    (line,) = [one.getMessage() for one in caplog.records if one.name == "server.access.routes"]
    assert (line.count("\n"), "all is well" in line) == (0, True)


async def test_a_provider_that_is_away_is_told_as_that(town: Region, tmp_path: Path) -> None:
    away = f"http://localhost:{free_port()}"
    async with visitor(town.site(provider=Provider(configured(tmp_path, away), HOME))) as browser:
        assert (await browser.get("/api/session/oidc")).headers["location"] == "/?sign-in=away"
        assert (await browser.get("/api/session/oidc/out")).headers["location"] == "/"


@pytest.mark.parametrize(
    ("asked", "told"),
    [("jwks", {"keys": None}), ("jwks", {"keys": []}), ("openid-configuration", {"token_endpoint": None})],
)
async def test_what_a_provider_says_in_a_bad_moment_is_not_believed_for_an_hour(
    town: Region, monkeypatch: pytest.MonkeyPatch, asked: str, told: dict[str, object]
) -> None:
    real, bad = oidc._get, [told]

    def get(client: httpx.Client, url: str) -> dict[str, object]:
        said = real(client, url)
        return {**said, **bad.pop()} if bad and asked in url else said

    monkeypatch.setattr(oidc, "_get", get)
    async with visitor(town.app) as browser:
        assert (await browser.get("/api/session/oidc")).headers["location"] == "/?sign-in=away"
        url = (await browser.get("/api/session/oidc")).headers["location"]
        assert (await browser.get(await there(url))).headers["location"] == "/"


async def test_without_a_provider_there_is_no_such_way(town: Region) -> None:
    async with visitor(town.site()) as browser:
        for path in ("oidc", "oidc/out", "oidc/back?code=x&state=y"):
            assert (await browser.get(f"/api/session/{path}")).status_code == 404


async def test_an_id_token_for_another_client_or_another_sign_in_is_refused(tmp_path: Path, issuer: str) -> None:
    """The provider's real answers, held against what this sign-in did not ask."""
    provider = Provider(configured(tmp_path, issuer), HOME)
    url, kept = provider.begin()
    answer = {name: value for name, (value, *_) in parse_qs(urlsplit(await there(url)).query).items()}
    state, _, verifier = msgspec.json.decode(kept)
    forged = msgspec.json.encode([state, "another nonce", verifier]).decode()
    with pytest.raises(Failed) as refused:
        provider.finish(answer, forged)
    assert (refused.value.why, "nonce" in refused.value.detail) == ("refused", True)


async def test_the_server_may_prove_itself_by_a_key(tmp_path: Path, issuer: str) -> None:
    """The provider takes any; what matters is that the assertion is there, signed with our key."""
    key = tmp_path / "key.pem"
    made = generate_private_key(public_exponent=65537, key_size=2048)
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    provider = Provider(configured(tmp_path, issuer, secret_file=None, key_file=key), HOME)
    about, _ = provider._known()
    sent: list[httpx.Request] = []
    with provider._client(about) as client:
        client._transport = httpx.MockTransport(lambda asked: sent.append(asked) or httpx.Response(400, json={}))  # type: ignore[func-returns-value]
        client._mounts = {}
        client.post(about["token_endpoint"], data={"a": "b"}, auth=client.client_auth("private_key_jwt"))
    body = parse_qs(sent[0].content.decode())
    assert body["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    said = jwt.decode(body["client_assertion"][0], RSAKey.import_key(key.read_text()), algorithms=["RS256"]).claims
    assert (said["iss"], said["sub"], said["aud"]) == ("hjemvakt", "hjemvakt", about["token_endpoint"])


@pytest.mark.parametrize(
    ("oidc", "told"),
    [
        ('issuer = "http://id.example.no"\nsecret_file = "s"', "is no https:// address"),
        ('issuer = "https://id.example.no"', "not just one of secret_file and key_file"),
        ('issuer = "https://id.example.no"\nsecret_file = "s"\nkey_file = "k"', "not just one of"),
    ],
)
def test_a_provider_is_configured_safely_or_not_at_all(tmp_path: Path, oidc: str, told: str) -> None:
    file = tmp_path / "server.toml"
    head = 'name = "Salten"\n[web]\naddress = "https://hjemvakt.example.no"\n'
    file.write_text(f'{head}[oidc]\nclient_id = "h"\nname = "HelseID"\n{oidc}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        load(file)
