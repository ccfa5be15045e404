"""The project's own certificate authority, made at first use and kept private."""

import datetime
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh_core.errors import ConfigInvalid

CERT_NAME = "ca.pem"
KEY_NAME = "ca.key"
YEARS = 10
_BACKDATED = datetime.timedelta(days=2)
"""For clients whose clock is behind."""


@dataclass(frozen=True, slots=True)
class CaFiles:
    """Where the authority's certificate and key are."""

    cert: Path
    key: Path


def project_ca(ca_dir: Path) -> CaFiles:
    """The authority's files, made where there are none, by one of several sidecars that start at once.

    Raises:
        ConfigInvalid: the folder cannot be used, or its key can be read by others.
    """
    files = CaFiles(cert=ca_dir / CERT_NAME, key=ca_dir / KEY_NAME)
    try:
        if not files.cert.exists():
            _make(files)
        if files.key.stat().st_mode & 0o077:
            raise ConfigInvalid(f"{files.key} can be read by others", hint=f"chmod 600 {files.key}")
    except OSError as cause:
        raise ConfigInvalid(
            f"the certificate authority in {ca_dir} cannot be used: {cause.strerror}",
            hint="mend that, or remove the folder's ca.pem and ca.key to make a new one",
        ) from cause
    return files


def _make(files: CaFiles) -> None:
    """Key first, certificate last: who sees the certificate finds its key."""
    files.cert.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    if not _write_once(files.key, pem):
        loaded = serialization.load_pem_private_key(files.key.read_bytes(), None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ConfigInvalid(f"{files.key} is no RSA key", hint="remove it to make a new one")
        key = loaded
    _write_once(files.cert, _certificate(key).public_bytes(serialization.Encoding.PEM))


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "mesh-replay project CA"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "mesh-replay"),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write_once(path: Path, content: bytes) -> bool:
    """Write a private file that is not there yet, whole or not at all; whether this call did."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.link(draft, path)
    except FileExistsError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
        draft.unlink()
