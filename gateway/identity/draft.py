"""An identity in the making, and how it becomes *the* identity: whole, or not at all.

Key and certificate must change together, or the hub is nobody. So a new identity is written into a folder of its own,
put on disk to the last byte, and becomes the hub's by one rename: `identity` is a symbolic link. A power cut leaves the
old one or the new one. A folder that nothing points to is a beginning that came to nothing, or what was before; `draft`
throws it away.
"""

import base64
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.files import sync
from gateway.identity.held import CLAIM, FOLDER, Held, held
from vitals.errors import ConfigError, LinkError, StoreError
from vitals.identity import Identity, Renewal, Renewed

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_NEXT = "identity.next"

_TELL = "tell its administrator"


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
            raise ConfigError(f"the key in {old.folder} is damaged ({error})", CLAIM) from error
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
            settled = self._data / f"{FOLDER}.{serial}"
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


def _common_name(certificate: "x509.Certificate") -> str:
    from cryptography.x509.oid import NameOID

    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _point(data: Path, settled: Path) -> None:
    """`settled` is the identity from this moment on, also after a power cut."""
    link = data / f"{FOLDER}.link"
    link.unlink(missing_ok=True)
    link.symlink_to(settled.name)
    link.rename(data / FOLDER)
    sync(data)


def _unwritable(data: Path, error: OSError) -> StoreError:
    return StoreError(f"the identity cannot be written in {data} ({error.strerror})", "make room there, and try again")


def _sweep(data: Path) -> None:
    """Throw away every identity but the one that is ours and the one that was begun."""
    ours = (data / FOLDER).resolve()
    for folder in _folders(data):
        if folder.resolve() != ours and folder.name != _NEXT:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(data: Path) -> Iterator[Path]:
    return (one for one in data.glob(f"{FOLDER}.*") if one.is_dir() and not one.is_symlink())


def _write(path: Path, data: bytes) -> None:
    """On disk when it returns, and never for a moment readable by others."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
