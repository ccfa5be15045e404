"""A proxy and servers that answer a runtime's probing calls, and tell which way each call came.

Each call has a server, and so a port, of its own: a connection tells by its port which call it is,
even where the client refuses our certificate before it says a word.
"""

import contextlib
import datetime
import ipaddress
import socket
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh_recorder.settings import Listen

PATIENCE = 30.0
"""Seconds that a connection may be silent."""
LONGEST_HEAD = 64 * 1024
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


class Way(StrEnum):
    """Which way a call came."""

    SEEN = "seen"
    """Through the proxy, and what it says can be read."""
    DISTRUSTED = "distrusted"
    """Through the proxy, but the client does not trust our certificate."""
    PAST = "past"
    """Straight to the server, past the proxy."""
    NONE = "none"
    """Not at all."""


class Probe:
    """The proxy and the servers; a context manager."""

    def __init__(self, ca_cert: Path, ca_key: Path) -> None:
        """Make a certificate for localhost, signed by the CA, and begin to listen."""
        self._tls = _server_context(ca_cert, ca_key)
        self._ways: dict[int, set[Way]] = {}
        self._lock = threading.Lock()
        self._servers: list[_Server] = []
        self.proxy = Listen(port=self._listen(origin=False))

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def new_call(self, *, tls: bool) -> str:
        """The URL for one call."""
        return f"{'https' if tls else 'http'}://localhost:{self._listen(origin=True)}/"

    def way(self, url: str) -> Way:
        """Which way the call to a URL came; the best, where the client tried several."""
        with self._lock:
            ways = self._ways.get(int(url.rstrip("/").rpartition(":")[2]), set())
        return next((way for way in Way if way in ways), Way.NONE)

    def _listen(self, *, origin: bool) -> int:
        server = _Server(self, origin=origin)
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server.port

    def note(self, port: int, way: Way) -> None:
        """Remember which way the call to a port came."""
        with self._lock:
            self._ways.setdefault(port, set()).add(way)

    def serve(self, client: socket.socket, origin_port: int | None) -> None:
        """Answer one connection: straight to a server, or to the proxy where `origin_port` is None."""
        client.settimeout(PATIENCE)
        if origin_port is not None:
            self.note(origin_port, Way.PAST)
            self._answer(client, None)
            return
        method, target = _read_head(client)
        if method != b"CONNECT":
            self.note(_port_of(target), Way.SEEN)
            client.sendall(_ANSWER)
            return
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._answer(client, _port_of(target))

    def _answer(self, client: socket.socket, tunnelled_to: int | None) -> None:
        """Answer a connection that says the server's own protocol: TLS or plain."""
        if client.recv(1, socket.MSG_PEEK) != b"\x16":
            _read_head(client)
            if tunnelled_to is not None:
                self.note(tunnelled_to, Way.SEEN)
            client.sendall(_ANSWER)
            return
        if tunnelled_to is not None:
            self.note(tunnelled_to, Way.DISTRUSTED)  # until it sends a request all the same
        with self._tls.wrap_socket(client, server_side=True) as secured:
            _read_head(secured)
            if tunnelled_to is not None:
                self.note(tunnelled_to, Way.SEEN)
            secured.sendall(_ANSWER)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, probe: Probe, *, origin: bool) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler, bind_and_activate=True)
        self._probe = probe
        self.port: int = self.server_address[1]
        self._origin = self.port if origin else None

    def finish_request(self, request: object, client_address: object) -> None:  # noqa: ARG002
        if isinstance(request, socket.socket):
            # A client that breaks off is what is being looked at, no fault of ours.
            with contextlib.suppress(OSError, ValueError):
                self._probe.serve(request, self._origin)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """Method and target of a request.

    Raises:
        ValueError: it is none.
    """
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = client.recv(4096)
        if not chunk or len(head) > LONGEST_HEAD:
            raise ValueError("no request came")
        head += chunk
    method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
    return method, target


def _port_of(target: bytes) -> int:
    """The port in `localhost:80` or `http://localhost:80/path`."""
    authority = target.partition(b"://")[2] or target
    return int(authority.partition(b"/")[0].rpartition(b":")[2])


def _server_context(ca_cert: Path, ca_key: Path) -> ssl.SSLContext:
    authority = x509.load_pem_x509_certificate(ca_cert.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(_private_key(ca_key), hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _in_a_file(
        cert.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    ) as path:
        context.load_cert_chain(path)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _private_key(path: Path) -> CertificateIssuerPrivateKeyTypes:
    return load_pem_private_key(path.read_bytes(), None)  # type: ignore[return-value]  # a CA's key can sign


@contextlib.contextmanager
def _in_a_file(content: bytes) -> Iterator[Path]:
    """The standard library takes certificates from files alone; this one is the user's, and short-lived."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield Path(file.name)
