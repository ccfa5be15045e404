"""Certificate files for a service that is to trust the project's CA besides everybody it trusts now."""

import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

from mesh_core.errors import ConfigInvalid
from mesh_recorder.runtimes import CA_BUNDLE_VARIABLES, JAVA_STORE_PASSWORD, TrustFiles
from mesh_store.disk import write_private

_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Debian, Fedora, SUSE, Alpine and macOS."""


def trust_files(ca_cert: Path, folder: Path, environ: Mapping[str, str]) -> TrustFiles:
    """Write the files that a service's variables name, into `folder`.

    Raises:
        ConfigInvalid: the CA's certificate cannot be read.
    """
    ours = _certificates(ca_cert)
    if not ours:
        raise ConfigInvalid(f"{ca_cert} holds no certificate", hint="remove it; it is made anew")
    trusted = _unique([*ours, *_trusted_now(environ)])
    extra = environ.get("NODE_EXTRA_CA_CERTS")
    files = TrustFiles(
        bundle=folder / "bundle.pem", extra=folder / "extra.pem", java_store=folder / "truststore.p12"
    )
    write_private(files.bundle, _pem(trusted))
    write_private(files.extra, _pem(_unique([*ours, *(_certificates(Path(extra)) if extra else [])])))
    write_private(
        files.java_store,
        pkcs12.serialize_java_truststore(
            [pkcs12.PKCS12Certificate(cert, f"mesh-{n}".encode()) for n, cert in enumerate(trusted)],
            BestAvailableEncryption(JAVA_STORE_PASSWORD.encode()),
        ),
    )
    return files


def _trusted_now(environ: Mapping[str, str]) -> list[x509.Certificate]:
    """The system's certificates, and those that variables name already."""
    named = [environ[name] for name in CA_BUNDLE_VARIABLES if environ.get(name)]
    usual = ssl.get_default_verify_paths().openssl_cafile
    system = next((path for path in (usual, *_SYSTEM_BUNDLES) if path and Path(path).is_file()), None)
    paths = dict.fromkeys([*named, *([system] if system else [])])
    return [cert for path in paths for cert in _certificates(Path(path))]


def _certificates(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file; none where it cannot be read: it could not be trusted either."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []


def _unique(certificates: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    return list({cert.public_bytes(Encoding.DER): cert for cert in certificates}.values())


def _pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(cert.public_bytes(Encoding.PEM) for cert in certificates)
