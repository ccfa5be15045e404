"""Certificate files for a service that is to trust the project's CA besides everybody it trusts now."""

import contextlib
import re
import ssl
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from mesh_core.errors import ConfigInvalid
from mesh_recorder.runtimes import CA_BUNDLE_VARIABLES, JAVA_STORE_PASSWORD, TrustFiles
from mesh_store.disk import write_private

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
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
        ConfigInvalid: the CA's certificate cannot be read, or the files cannot be written.
    """
    ours = _certificates(ca_cert)
    if not ours:
        raise ConfigInvalid(f"{ca_cert} holds no certificate", hint="remove it; it is made anew")
    trusted = list(dict.fromkeys([*ours, *_trusted_now(environ)]))
    extra = environ.get("NODE_EXTRA_CA_CERTS")
    files = TrustFiles(
        bundle=folder / "bundle.pem", extra=folder / "extra.pem", java_store=folder / "truststore.p12"
    )
    try:
        write_private(files.bundle, b"".join(trusted))
        write_private(
            files.extra, b"".join(dict.fromkeys([*ours, *(_certificates(Path(extra)) if extra else [])]))
        )
        write_private(files.java_store, _java_store(trusted))
    except OSError as cause:
        raise ConfigInvalid(
            f"certificates for the service cannot be written to {folder}: {cause.strerror}",
            hint="make room there, or name another place by XDG_STATE_HOME",
        ) from cause
    return files


def _java_store(trusted: Sequence[bytes]) -> bytes:
    """The certificates for Java, without those that are too odd to be read."""
    entries = []
    for number, pem in enumerate(trusted):
        with contextlib.suppress(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cert = x509.load_pem_x509_certificate(pem)
            entries.append(pkcs12.PKCS12Certificate(cert, f"mesh-{number}".encode()))
    return pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(JAVA_STORE_PASSWORD.encode()))


def _trusted_now(environ: Mapping[str, str]) -> Iterator[bytes]:
    """The system's certificates, and those that variables name already."""
    named = [environ[name] for name in CA_BUNDLE_VARIABLES if environ.get(name)]
    usual = ssl.get_default_verify_paths().openssl_cafile
    system = next((path for path in (usual, *_SYSTEM_BUNDLES) if path and Path(path).is_file()), None)
    for path in dict.fromkeys(named if system is None else [*named, system]):
        yield from _certificates(Path(path))


def _certificates(path: Path) -> list[bytes]:
    """The certificates in a PEM file, as they stand; none where it cannot be read."""
    try:
        text = path.read_bytes()
    except OSError:
        return []
    return [block.replace(b"\r\n", b"\n") + b"\n" for block in _PEM.findall(text)]
