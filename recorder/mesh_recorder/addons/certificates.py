"""The addon for TLS: certificates of the project's authority, or the listener's own; and whom we trust."""

import ssl
from collections.abc import Callable
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from mitmproxy import certs, tls
from mitmproxy.addons import tlsconfig
from mitmproxy.proxy import context

from mesh_core.errors import ConfigInvalid
from mesh_recorder.addons.clients import Clients
from mesh_recorder.authority import project_ca


class Certificates:
    """What mitmproxy's own addon does for TLS, with stores of ours: `~/.mitmproxy` is never looked into."""

    def __init__(self, clients: Clients, ca_dir: Path) -> None:
        self._clients = clients
        self._ca_dir = ca_dir
        self._own: dict[Path, certs.CertStoreEntry] = {}
        self._inner = _TlsConfig(self._certificate_for)
        self.load = self._inner.load
        self.tls_clienthello = self._inner.tls_clienthello
        self.tls_start_server = self._inner.tls_start_server

    def tls_start_client(self, start: tls.TlsData) -> None:
        """A client begins TLS."""
        if self._inner.certstore is None:
            self._inner.certstore = _store(self._ca_dir)
        self._inner.tls_start_client(start)

    def _certificate_for(self, around: context.Context) -> certs.CertStoreEntry | None:
        """The listener's own certificate, where it has one."""
        state = self._clients.get(around.client.id)
        if state is None or state.role.cert is None:
            return None
        return self.own_certificate(state.role.cert, state.role.key)

    def own_certificate(self, cert: Path, key: Path | None) -> certs.CertStoreEntry:
        """The listener's own.

        Raises:
            ConfigInvalid: it cannot be read, or is none.
        """
        entry = self._own.get(cert)
        if entry is None:
            entry = self._own[cert] = _read(cert, key or cert)
        return entry


class _TlsConfig(tlsconfig.TlsConfig):
    """mitmproxy's, but for the certificate that a client is shown."""

    def __init__(self, own: Callable[[context.Context], certs.CertStoreEntry | None]) -> None:
        self._own = own

    def get_cert(self, conn_context: context.Context) -> certs.CertStoreEntry:
        """The listener's own, else one made for the name that the client asks for."""
        return self._own(conn_context) or super().get_cert(conn_context)


def _read(cert: Path, key: Path) -> certs.CertStoreEntry:
    try:
        chain = x509.load_pem_x509_certificates(cert.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except OSError as cause:
        raise ConfigInvalid(
            f"{cause.filename} cannot be read: {cause.strerror}", hint="check --cert and --key"
        ) from cause
    except (ValueError, TypeError) as cause:
        raise ConfigInvalid(
            f"{cert} and {key} are no certificate with its key",
            hint="give PEM files, the key without a passphrase",
        ) from cause
    return certs.CertStoreEntry(
        certs.Cert(chain[0]),
        private,  # type: ignore[arg-type]  # OpenSSL takes any kind of key
        cert if len(chain) > 1 else None,
        [certs.Cert(one) for one in chain],
    )


def _store(ca_dir: Path) -> certs.CertStore:
    files = project_ca(ca_dir)
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigInvalid(f"{files.key} is no RSA key", hint="remove it and ca.pem to make new ones")
    authority = certs.Cert.from_pem(files.cert.read_bytes())
    parameters = files.cert.with_name("dhparam.pem")
    return certs.CertStore(
        key,
        authority,
        None,
        certs.dummy_crl(key, authority.to_cryptography()),
        certs.CertStore.load_dhparam(parameters),
    )


def trusted(extra: Path | None, write: Callable[[bytes], Path]) -> Path | None:
    """A file with all that upstreams are checked against; None leaves mitmproxy's own list.

    Args:
        extra: more authorities, besides the system's.
        write: keeps the merged file.

    Raises:
        ConfigInvalid: the extra file holds no certificates.
    """
    system = ssl.get_default_verify_paths().cafile
    if extra is None:
        return Path(system) if system else None
    try:
        content = extra.read_bytes()
        x509.load_pem_x509_certificates(content)
    except (OSError, ValueError) as cause:
        raise ConfigInvalid(
            f"{extra} holds no certificates that could be read", hint="give a PEM file to --upstream-ca"
        ) from cause
    base = Path(system) if system else Path(certifi.where())
    return write(base.read_bytes() + b"\n" + content)
