"""What the authority signs, and how its files are kept."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from server.identity.authority import Authority, names_in
from tests.identity.visitor import Papers
from vitals.errors import StoreError
from vitals.identity import mark

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_its_files_are_its_own_and_the_same_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    first, again = Authority.open(folder), Authority.open(folder)
    assert (first.pem, first.mark, first.orders_key) == (again.pem, again.mark, again.orders_key)
    assert {one.name for one in folder.iterdir()} == {"authority.key", "authority.pem", "signing.key"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    certificate = x509.load_pem_x509_certificate(first.pem)
    assert first.mark == mark(certificate.public_bytes(serialization.Encoding.DER))
    assert isinstance(serialization.load_pem_public_key(first.orders_key), ed25519.Ed25519PublicKey)


@pytest.mark.parametrize("lost", ["authority.key", "signing"])
def test_a_damaged_authority_is_not_quietly_made_anew(tmp_path: Path, lost: str) -> None:
    """Every hub would have to be claimed again."""
    Authority.open(tmp_path)
    Authority.open(tmp_path / "others")
    if lost == "authority.key":
        (tmp_path / lost).unlink()
    else:
        (tmp_path / "authority.key").write_bytes((tmp_path / "others" / "authority.key").read_bytes())
    with pytest.raises(StoreError, match="backup"):
        Authority.open(tmp_path)


def test_a_hubs_certificate_says_its_name_and_ends_within_ninety_days(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path)
    issued = authority.issue_hub("home-1", Papers("somebody else").request, NOW)
    made = x509.load_pem_x509_certificate(issued.pem)
    assert made.subject.rfc4514_string() == "CN=home-1"
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(days=90)
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca, "it can sign for nobody"
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem))


def test_a_hub_whose_clock_says_1970_can_still_know_its_server(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path)
    certificate, _ = authority.issue_broker(["hjemvakt.example.no", "10.0.0.7"], NOW)
    assert names_in(certificate) == ["hjemvakt.example.no", "10.0.0.7"]
    for pem in (authority.pem, certificate):
        assert x509.load_pem_x509_certificate(pem).not_valid_before_utc == datetime(1970, 1, 1, tzinfo=UTC)
    assert x509.load_pem_x509_certificate(certificate).not_valid_after_utc == NOW + timedelta(days=90)


def test_each_list_of_revoked_certificates_is_later_than_the_one_before(tmp_path: Path) -> None:
    lists = [x509.load_pem_x509_crl(Authority.open(tmp_path).revoked_list(one)) for one in ((), ("a1",), ("a1", "ff"))]
    assert [[f"{one.serial_number:x}" for one in each] for each in lists] == [[], ["a1"], ["a1", "ff"]]
    times = [one.last_update_utc for one in lists]
    assert times == sorted(set(times))
    assert times[-1] < NOW, "one of the future would lock everybody out"
    assert all(one.next_update_utc.year == 2100 for one in lists if one.next_update_utc), "and so would one that ends"
