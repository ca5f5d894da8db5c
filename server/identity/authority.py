"""The authority over this server's hubs: a key of its own, and what is signed with it.

It is nobody else's: no public authority is asked, because a broker that believes only this one has a short list to
believe. Its files stand in `<data>/authority/`, readable by the server alone:

    authority.key, authority.pem    signs certificates (EC P-256)
    signing.key                     signs what the server tells hubs (`server.fleet.seals`)
    crl.pem                         the certificates that no longer count

A hub's certificate says its name and nothing else. The name is the server's choice: what the request claims to be is
not read. A certificate lasts 90 days at most, and its times are the wall's, because TLS knows no other clock.

*Always valid before.* A hub without a battery for its clock boots in 1970, and could not reach the server to learn the
time if that server's certificate began later. So the authority's certificate and the broker's are valid from 1970 on;
they end as they should.

*The list's time is its number.* Of two lists of revoked certificates OpenSSL believes the one with the later time, and
mosquitto keeps the old ones: two that were made within a second would be one. And a list that grew old would lock
everybody out. So lists are numbered, one second for each, and do not end.
"""

import ipaddress
import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server.fleet.seals import Signer
from server.keeping import UNFINISHED
from vitals.errors import StoreError, WireError
from vitals.identity import mark

LASTS = timedelta(days=90)
"""Of every certificate but the authority's own."""
AUTHORITY_LASTS = timedelta(days=20 * 365)
BACK = timedelta(hours=1)
"""A hub's certificate begins a little before it was made, for clocks that differ."""

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_LISTS_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_LISTS_TO = datetime(2100, 1, 1, tzinfo=UTC)
_CURVE = ec.SECP256R1


class Issued(msgspec.Struct, frozen=True):
    """A certificate: `serial` in hexadecimal, `pem`, when it ends (wall, ns since 1970), and its key's hash in hex."""

    serial: str
    pem: bytes
    ends_ns: int
    key: str


class Papers(msgspec.Struct, frozen=True):
    """What a broker needs to speak TLS, all PEM."""

    authority: bytes
    certificate: bytes
    key: bytes
    revoked: bytes


class Authority:
    """Opened with `Authority.open`, which makes what is not there."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._folder = folder
        self._key = key
        self._certificate = certificate
        self._signer = Signer(folder)
        self.pem = _pem(certificate)
        self.mark = mark(certificate.public_bytes(serialization.Encoding.DER))

    @classmethod
    def open(cls, folder: Path) -> "Authority":
        """The authority in `folder`; raises StoreError for files that are damaged."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key_file, certificate_file = folder / "authority.key", folder / "authority.pem"
        try:
            if not certificate_file.exists():
                _begin(key_file, certificate_file)
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the authority in {folder} cannot be used ({error})", "restore that folder from the backup"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise StoreError(f"key and certificate in {folder} do not belong together", "restore both from the backup")
        return cls(folder, key, certificate)

    @property
    def orders_key(self) -> bytes:
        """With which hubs look at what the server signed (`server.fleet.seals`), PEM."""
        return self._signer.public_pem()

    def issue_hub(self, name: str, request: str, now: datetime, lasts: timedelta = LASTS) -> Issued:
        """A certificate of that `name` for the key in `request` (PKCS#10, PEM); raises WireError.

        Of the request only the key counts, which must be the asker's own and of our kind.
        """
        key = request_key(request)
        builder = self._builder(name, key, now - BACK, now - BACK + lasts)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._signed(builder.add_extension(usage, critical=False), key)

    def issue_moment(self, name: str, now: datetime) -> tuple[bytes, bytes]:
        """A certificate of that name and its key, both PEM, for a few minutes and for ourselves."""
        key = ec.generate_private_key(_CURVE())
        builder = self._builder(name, key.public_key(), now - BACK, now + timedelta(minutes=5))
        return self._signed(builder, key.public_key()).pem, _key_pem(key)

    def issue_broker(self, names: Sequence[str], now: datetime) -> tuple[bytes, bytes]:
        """A certificate for the server under these names or addresses, and its key, both PEM."""
        key = ec.generate_private_key(_CURVE())
        builder = self._builder("Hjemvakt broker", key.public_key(), _ALWAYS, now + LASTS)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return self._signed(builder.add_extension(usage, critical=False), key.public_key()).pem, _key_pem(key)

    def revoked_list(self, serials: Collection[str]) -> bytes:
        """A new list with these serials (hexadecimal), PEM, also kept in the folder."""
        file = self._folder / "crl.pem"
        number = _number(file) + 1
        made = _LISTS_FROM + timedelta(seconds=number)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(made)
            .next_update(_LISTS_TO)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(self._by_us(), critical=False)
        )
        for serial in sorted(serials):
            one = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(made)
            builder = builder.add_revoked_certificate(one.build())
        pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        write_private(file, pem)
        return pem

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self._by_us(), critical=False)
        )

    def _by_us(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    def _signed(self, builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey) -> Issued:
        made = builder.sign(self._key, hashes.SHA256())
        ends_ns = int(made.not_valid_after_utc.timestamp()) * 1_000_000_000
        return Issued(f"{made.serial_number:x}", _pem(made), ends_ns, key_hash(key))


def request_key(request: str) -> ec.EllipticCurvePublicKey:
    """The key that `request` (PKCS#10, PEM) asks a certificate for, and was signed with; raises WireError."""
    mend = "make the request anew with a key on P-256"
    try:
        asked = x509.load_pem_x509_csr(request.encode())
        key, sound = asked.public_key(), asked.is_signature_valid
    except (ValueError, InvalidSignature, TypeError) as error:
        raise WireError("request", f"the certificate request does not parse ({error})", mend) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVE):
        raise WireError("request", "the certificate request has another kind of key", mend)
    if not sound:
        raise WireError("request", "the certificate request is not signed with its own key", mend)
    return key


def key_hash(key: ec.EllipticCurvePublicKey) -> str:
    """What a key is known by: SHA-256 of its public half, hexadecimal."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def ends(certificate_pem: bytes) -> datetime:
    """When a certificate ends."""
    return x509.load_pem_x509_certificate(certificate_pem).not_valid_after_utc


def names_in(certificate_pem: bytes) -> list[str]:
    """The names and addresses that a server's certificate speaks for, in its order."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(one.value) for one in found]


def write_private(path: Path, data: bytes) -> None:
    """Written whole or not at all, and never for a moment readable by others."""
    new = path.with_name(path.name + UNFINISHED)
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def _begin(key_file: Path, certificate_file: Path) -> None:
    """Make a key and sign it with itself. The key is written first: a certificate alone would be of no use."""
    key = ec.generate_private_key(_CURVE())
    name = _name("Hjemvakt authority")
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_ALWAYS)
        .not_valid_after(datetime.now(UTC) + AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, _key_pem(key))
    write_private(certificate_file, _pem(certificate))


def _number(list_file: Path) -> int:
    """The number of the list in the file; 0 for none."""
    if not list_file.exists():
        return 0
    found = x509.load_pem_x509_crl(list_file.read_bytes())
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
