import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from mesh_core.errors import ConfigInvalid
from mesh_recorder.runtimes import JAVA_STORE_PASSWORD
from mesh_recorder.trust import trust_files

# This machine may trust certificates that are older than the rules.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")


def a_ca(path: Path, name: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(cert.public_bytes(Encoding.PEM))
    return cert


def test_a_service_trusts_ours_besides_whom_it_trusted(tmp_path: Path) -> None:
    ours = a_ca(tmp_path / "ours.pem", "ours")
    theirs = a_ca(tmp_path / "theirs.pem", "theirs")
    node = a_ca(tmp_path / "node.pem", "node")
    environ = {
        "REQUESTS_CA_BUNDLE": str(tmp_path / "theirs.pem"),
        "NODE_EXTRA_CA_CERTS": str(tmp_path / "node.pem"),
        "CURL_CA_BUNDLE": str(tmp_path / "is-not-there.pem"),
    }

    files = trust_files(tmp_path / "ours.pem", tmp_path / "trust", environ)

    bundle = x509.load_pem_x509_certificates(files.bundle.read_bytes())
    assert bundle[:2] == [ours, theirs]
    assert x509.load_pem_x509_certificates(files.extra.read_bytes()) == [ours, node]
    store = pkcs12.load_pkcs12(files.java_store.read_bytes(), JAVA_STORE_PASSWORD.encode())
    assert {ours, theirs} <= {entry.certificate for entry in store.additional_certs}
    assert files.bundle.stat().st_mode & 0o777 == 0o600


def test_an_odd_certificate_of_the_users_spoils_nothing(tmp_path: Path) -> None:
    ours = a_ca(tmp_path / "ours.pem", "ours")
    odd = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (tmp_path / "odd.pem").write_bytes(b"# a comment\r\n" + odd)

    files = trust_files(tmp_path / "ours.pem", tmp_path, {"SSL_CERT_FILE": str(tmp_path / "odd.pem")})

    assert odd in files.bundle.read_bytes()
    store = pkcs12.load_pkcs12(files.java_store.read_bytes(), JAVA_STORE_PASSWORD.encode())
    assert ours in {entry.certificate for entry in store.additional_certs}


def test_a_ca_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="made anew"):
        trust_files(tmp_path / "no.pem", tmp_path, {})
