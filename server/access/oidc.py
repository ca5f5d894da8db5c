"""Signing in with the municipality's provider of identities: OpenID Connect, code flow with PKCE and nonce.

What must be the same on the way back as on the way out (state, nonce, the verifier of PKCE) travels in a cookie that
only this browser has, for ten minutes: the server keeps nothing for whoever never comes back. The provider says who it
is by a *subject*; whose account that is stands in `municipality.toml`. A subject that stands nowhere comes in nowhere.

The server proves itself to the provider by a secret, or by a key of its own (private_key_jwt, as HelseID asks).
"""

import hmac
import json
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from server.config import Oidc
from vitals.errors import ConfigError

with warnings.catch_warnings():
    import authlib.deprecate  # type: ignore[import-untyped]  # noqa: F401 - it sets a filter of its own

    warnings.simplefilter("ignore")  # it would rather have another package of the same client
    from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
    from authlib.common.security import generate_token  # type: ignore[import-untyped]
    from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]
    from authlib.oauth2.rfc7523 import PrivateKeyJWT  # type: ignore[import-untyped]
    from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]

BACK = "/api/session/oidc/back"
"""Where the provider sends people back to."""
LASTS_S = 600
KNOWN_S = 3600.0
"""So long what the provider says of itself is believed."""
TIMEOUT_S = 10.0
LEEWAY_S = 60
"""So much may the provider's clock differ from ours."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint")
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]

Why = Literal["denied", "expired", "unknown", "away", "refused"]
"""Why somebody does not come in: they said no there; it took too long; no account has that subject; the provider does
not answer; what it said does not hold."""


class Failed(Exception):
    """Nobody comes in. `detail`: for the log, without anything that opens something."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


class Provider:
    """One provider. Thread-safe. `address`: what the world calls this server."""

    def __init__(self, config: Oidc, address: str) -> None:
        self._config = config
        self._redirect = address + BACK
        self._home = address + "/"
        self._secret = _secret(config)
        self._lock = threading.Lock()
        self._told: tuple[float, dict[str, Any], dict[str, Any]] | None = None

    @property
    def name(self) -> str:
        """What the button calls it."""
        return self._config.name

    def begin(self) -> tuple[str, str]:
        """Where to send the browser, and what its cookie keeps; raises Failed."""
        about, _ = self._known()
        nonce, verifier = generate_token(32), generate_token(48)
        with self._client(about) as client:
            url, state = client.create_authorization_url(
                about["authorization_endpoint"], nonce=nonce, code_verifier=verifier
            )
        return url, json.dumps([state, nonce, verifier])

    def finish(self, answer: Mapping[str, str], kept: str | None) -> str:
        """The subject of whoever came back with this answer in the address; raises Failed."""
        state, nonce, verifier = _kept(kept)
        if "code" not in answer:
            said = answer.get("error", "no code and no error")[:80]
            raise Failed("denied" if said == "access_denied" else "refused", said)
        if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
            raise Failed("refused", "the answer is to another question")
        about, keys = self._known()
        if answer.get("iss", about["issuer"]) != about["issuer"]:
            raise Failed("refused", "the answer is another provider's")
        try:
            with self._client(about) as client:
                token = client.fetch_token(
                    about["token_endpoint"], grant_type="authorization_code", code=answer["code"],
                    code_verifier=verifier,
                )  # fmt: skip
        except AuthlibBaseError as error:
            raise Failed("refused", f"{error.error}") from error
        except (httpx.HTTPError, ValueError) as error:
            raise Failed("away", type(error).__name__) from error
        return self._subject(token, about, keys, nonce)

    def leave(self) -> str | None:
        """Where to send the browser of whoever signed out here, to sign out there too; None: nowhere."""
        try:
            about, _ = self._known()
        except Failed:
            return None
        end = about.get("end_session_endpoint")
        said = urlencode({"client_id": self._config.client_id, "post_logout_redirect_uri": self._home})
        return f"{end}?{said}" if end else None

    def _client(self, about: dict[str, Any]) -> Any:
        with_key = self._config.key_file is not None
        client = OAuth2Client(
            self._config.client_id, self._secret, scope=self._config.scope, redirect_uri=self._redirect,
            code_challenge_method="S256", timeout=TIMEOUT_S,
            token_endpoint_auth_method="private_key_jwt" if with_key else "client_secret_basic",
        )  # fmt: skip
        if with_key:
            client.register_client_auth_method(PrivateKeyJWT(about["token_endpoint"], alg=self._config.key_algorithm))
        return client

    def _subject(self, token: dict[str, Any], about: dict[str, Any], keys: dict[str, Any], nonce: str) -> str:
        said = token.get("id_token")
        if not isinstance(said, str):
            raise Failed("refused", "there is no id_token in the answer")
        try:
            decoded = _decoded(said, keys)
        except (JoseError, ValueError):
            _, keys = self._known(anew=True)  # it may have changed its keys a moment ago
            try:
                decoded = _decoded(said, keys)
            except (JoseError, ValueError) as error:
                raise Failed("refused", f"the id_token's signature: {type(error).__name__}") from error
        options = {
            "iss": {"essential": True, "value": about["issuer"]},
            "aud": {"essential": True, "value": self._config.client_id},
        }
        params = {"nonce": nonce, "client_id": self._config.client_id, "access_token": token.get("access_token")}
        try:
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, AuthlibBaseError) as error:
            raise Failed("refused", f"the id_token: {error}") from error
        return str(claims["sub"])

    def _known(self, *, anew: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the provider says of itself, and its keys; raises Failed."""
        with self._lock:
            if self._told is not None and not anew and time.monotonic() - self._told[0] < KNOWN_S:
                return self._told[1], self._told[2]
            try:
                with httpx.Client(timeout=TIMEOUT_S) as client:
                    about = _get(client, f"{self._config.issuer}/.well-known/openid-configuration")
                    keys = _get(client, about["jwks_uri"])
                _check_whole(about, keys)  # half of it would be believed for KNOWN_S, and nobody would come in
            except (httpx.HTTPError, ValueError, KeyError) as error:
                raise Failed("away", f"{self._config.issuer}: {type(error).__name__}") from error
            if str(about.get("issuer", "")).rstrip("/") != self._config.issuer:
                raise Failed("refused", f"{self._config.issuer} calls itself something else")
            self._told = time.monotonic(), about, keys
            return about, keys


def _decoded(said: str, keys: dict[str, Any]) -> jwt.Token:
    return jwt.decode(said, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]


def _kept(cookie: str | None) -> tuple[str, str, str]:
    try:
        state, nonce, verifier = json.loads(cookie or "")
    except (ValueError, TypeError):  # no JSON, or JSON that is no three things
        raise Failed("expired", "the browser has nothing of a sign-in that it began") from None
    return str(state), str(nonce), str(verifier)


def _get(client: httpx.Client, url: str) -> dict[str, Any]:
    found = client.get(url).raise_for_status().json()
    if not isinstance(found, dict):
        raise ValueError(url)
    return found


def _check_whole(about: dict[str, Any], keys: dict[str, Any]) -> None:
    """That what a sign-in needs is there; raises ValueError, KeyError."""
    for name in _ENDPOINTS:
        if not isinstance(about[name], str):
            raise ValueError(name)
    if not isinstance(keys["keys"], list) or not keys["keys"]:
        raise ValueError("keys")


def _secret(config: Oidc) -> str | RSAKey | ECKey:
    """The secret, or the key to sign with; raises ConfigError."""
    if config.key_file is None:
        assert config.secret_file is not None, "the configuration has one of the two"
        return _text(config.secret_file)
    kind = ECKey if config.key_algorithm.startswith("ES") else RSAKey
    try:
        return kind.import_key(_text(config.key_file))
    except (JoseError, ValueError) as error:
        raise ConfigError(
            f"{config.key_file} holds no key for {config.key_algorithm}", "give a private key as PEM"
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror})", "put there what the provider knows this server by"
        ) from error
