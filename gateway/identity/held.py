"""Who this hub is, on its own disk: a private key that was made here and never leaves, and what the server gave for it.

    <data>/identity/
        key.pem          the private key (EC P-256), readable by the hub alone
        certificate.pem  says whose key it is: the hub's name, for 90 days at most
        authority.pem    whom the hub believes to be its server
        batch.key        seals this hub's batches (hexadecimal)
        server.pub       proves that an order is the server's (Ed25519)
        spread           over how many seconds hubs come back when the broker has hung up on all of them

Key and certificate must change together, or the hub is nobody. So a new identity is written into a folder of its own,
put on disk to the last byte, and becomes *the* identity by one rename: `identity` is a symbolic link. A power cut
leaves the old one or the new one. A folder that nothing points to is a beginning that came to nothing, or what was
before; `draft` throws it away.

Certificates live by the wall, as TLS does, whatever clock the hub tells its story by; `gateway.identity.moment` knows
what time it is at least, where that clock was never set.
"""

import base64
import contextlib
import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.config import Config, Tls
from gateway.files import sync
from gateway.identity.moment import Context, Socket, Told, newest, nobody, wall
from vitals.errors import ConfigError, LinkError, StoreError
from vitals.identity import Identity, Renewal, Renewed

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

LINK = "identity"
_NEXT = "identity.next"
FEW_DAYS = timedelta(days=14)
"""A certificate that has no longer to live should have been renewed."""

_TELL = "tell its administrator"
_MEND = "claim the hub: hjemvakt gateway claim CODE --config gateway.toml"


class Held(NamedTuple):
    """The identity on disk. `folder` is where it really is; times are of the wall."""

    folder: Path
    name: str
    serial: str
    begins: datetime
    ends: datetime

    def file(self, name: str) -> bytes:
        """What is in one of its files; raises ConfigError."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise ConfigError(f"{self.folder / name} cannot be read ({error.strerror})", _MEND) from error


def held(data: Path) -> Held | None:
    """The identity in the data folder, None where the hub was never claimed; raises ConfigError for a damaged one."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    folder = data / LINK
    if not folder.exists():
        return None
    try:
        certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
        name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(f"the identity in {folder} cannot be read ({error})", _MEND) from error
    serial, begins, ends = certificate.serial_number, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Held(folder.resolve(), name, f"{serial:x}", begins, ends)


class Secure(NamedTuple):
    """How a connection is made safe: a context for each, and over how long hubs come back that were all hung up on."""

    context: Callable[[], ssl.SSLContext]
    spread_s: Callable[[], float]


def secure(config: Config, told: Told = nobody) -> Secure | None:
    """What `[uplink.tls]` asks for; None for connections without TLS."""
    tls = config.uplink.tls
    if tls is None:
        return None
    if tls.ca is not None:
        return Secure(lambda: _believing(Path(tls.ca or "")), lambda: 1.0)
    return Secure(lambda: _as_ourselves(config, told), lambda: _spread_s(Path(config.data)))


def summary(config: Config) -> str:
    """What a person wants to know of the identity, or "" for a hub that needs none; raises ConfigError."""
    if not needed(config.uplink.tls):
        return ""
    found = held(Path(config.data))
    if found is None:
        return f", not claimed yet ({_MEND})"
    state = "until" if found.ends > wall() else "ENDED"
    return f", identity of {found.name} {state} {found.ends:%Y-%m-%d}"


def notes(config: Config, now: datetime) -> tuple[str, ...]:
    """For the heartbeat: what a person should know of the identity while the hub can still say it."""
    if not needed(config.uplink.tls):
        return ()
    found = held(Path(config.data))
    if found is None or found.ends - now > FEW_DAYS:
        return ()
    return (f"the certificate ends on {found.ends:%Y-%m-%d} and is not renewed: see the server's log",)


def needed(tls: Tls | None) -> bool:
    """Whether the hub comes in with an identity of its own."""
    return tls is not None and tls.ca is None


def _context() -> Context:
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = Socket
    return context


def _spread_s(data: Path) -> float:
    """As the server said when it gave the certificate; a hub that cannot read it does as in a small fleet."""
    try:
        return float((data / LINK / "spread").read_text("ascii"))
    except (OSError, ValueError):
        return 1.0


def _believing(ca: Path) -> ssl.SSLContext:
    context = _context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # a broker of others may not know better
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise ConfigError(f"the authority {ca} cannot be used ({error})", "see [uplink] tls.ca") from error
    return context


def _as_ourselves(config: Config, told: Told) -> ssl.SSLContext:
    found = held(Path(config.data))
    if found is None:
        raise ConfigError(f"{config.name} has no identity", _MEND)
    if found.name != config.name:
        raise ConfigError(f"the hub was claimed as {found.name}, gateway.toml calls it {config.name}", _MEND)
    context = _context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(found.folder / "authority.pem")
        context.load_cert_chain(found.folder / "certificate.pem", found.folder / "key.pem")
    except OSError as error:
        raise ConfigError(f"the identity in {found.folder} cannot be used ({error})", _MEND) from error
    context.since = newest(found.begins, told())
    return context


class Draft:
    """An identity in the making: its key is on disk. `draft` makes it."""

    def __init__(self, data: Path, folder: Path, key: "ec.EllipticCurvePrivateKey") -> None:
        self._data = data
        self._folder = folder
        self._key = key

    def request(self) -> str:
        """A certificate request (PKCS#10, PEM) signed with the new key. It names nobody: the server knows the name."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(self._key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def renewal(self, old: Held) -> Renewal:
        """The request, signed with the old key besides; raises ConfigError where that cannot be read."""
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        try:
            key = serialization.load_pem_private_key(old.file("key.pem"), None)
        except ValueError as error:
            raise ConfigError(f"the key in {old.folder} is damaged ({error})", _MEND) from error
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # we made it
        request = self.request()
        signature = base64.b64encode(key.sign(request.encode(), ec.ECDSA(hashes.SHA256())))
        return Renewal(old.name, request, old.serial, signature.decode())

    def claimed(self, given: Identity) -> Held:
        """Become what the server says; raises LinkError for an answer that cannot be right."""
        try:
            batch_key = base64.b64decode(given.batch_key, validate=True)
        except ValueError as error:
            raise LinkError(f"the server's key for our batches does not parse ({error})", _TELL) from error
        files = {
            "certificate.pem": given.certificate.encode(),
            "authority.pem": given.authority.encode(),
            "batch.key": batch_key.hex().encode(),
            "server.pub": given.orders_key.encode(),
            "spread": f"{given.spread_s:.1f}".encode(),
        }
        return self._become(given.name, files)

    def renewed(self, given: Renewed, old: Held) -> Held:
        """Become who we are, with the new key; raises LinkError for an answer that cannot be right."""
        files = {name: old.file(name) for name in ("authority.pem", "batch.key", "server.pub")} | {
            "certificate.pem": given.certificate.encode(),
            "spread": f"{given.spread_s:.1f}".encode(),
        }
        return self._become(old.name, files)

    def _become(self, name: str, files: dict[str, bytes]) -> Held:
        serial = self._checked(name, files["certificate.pem"], files["authority.pem"])
        try:
            for file, data in files.items():
                _write(self._folder / file, data)
            settled = self._data / f"{LINK}.{serial}"
            self._folder.rename(settled)
            sync(settled)
            _point(self._data, settled)
        except OSError as error:
            raise _unwritable(self._data, error) from error
        _sweep(self._data)
        found = held(self._data)
        assert found is not None  # we have just written it
        return found

    def _checked(self, name: str, certificate_pem: bytes, authority_pem: bytes) -> str:
        """The serial of a certificate that is ours: of our new key and our name, signed by the authority."""
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority_pem))
        except (ValueError, TypeError, InvalidSignature) as error:
            raise LinkError(f"the server's certificate for us is not sound ({error!r})", _TELL) from error
        if certificate.public_key() != self._key.public_key() or _common_name(certificate) != name:
            raise LinkError("the server's certificate is not for this hub", _TELL)
        return f"{certificate.serial_number:x}"


def draft(data: Path, *, go_on: bool = False) -> Draft:
    """A new identity with a new key, or with `go_on` the one that was begun, if its key is whole.

    Whoever asks the server again after a crash asks with the same key, and is given the same certificate.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = data / _NEXT
    if go_on:
        with contextlib.suppress(OSError, ValueError):
            key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return Draft(data, folder, key)
    shutil.rmtree(folder, ignore_errors=True)
    _sweep(data)
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(mode=0o700)
        _write(folder / "key.pem", private)
        sync(folder)
    except OSError as error:
        raise _unwritable(data, error) from error
    return Draft(data, folder, key)


def due(found: Held, late: float) -> datetime:
    """When to ask for the next certificate: two thirds of its life are over, and `late` (0 to 1) of a tenth more.

    Hubs that were all claimed in the same week do not come in the same hour.
    """
    life: timedelta = found.ends - found.begins
    return found.begins + life * 2 / 3 + life * late / 10


def _common_name(certificate: "x509.Certificate") -> str:
    from cryptography.x509.oid import NameOID

    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _point(data: Path, settled: Path) -> None:
    """`settled` is the identity from this moment on, also after a power cut."""
    link = data / f"{LINK}.link"
    link.unlink(missing_ok=True)
    link.symlink_to(settled.name)
    link.rename(data / LINK)
    sync(data)


def _unwritable(data: Path, error: OSError) -> StoreError:
    return StoreError(f"the identity cannot be written in {data} ({error.strerror})", "make room there, and try again")


def _sweep(data: Path) -> None:
    """Throw away every identity but the one that is ours and the one that was begun."""
    ours = (data / LINK).resolve()
    for folder in _folders(data):
        if folder.resolve() != ours and folder.name != _NEXT:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(data: Path) -> Iterator[Path]:
    return (one for one in data.glob(f"{LINK}.*") if one.is_dir() and not one.is_symlink())


def _write(path: Path, data: bytes) -> None:
    """On disk when it returns, and never for a moment readable by others."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
