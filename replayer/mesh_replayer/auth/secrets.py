"""Where secrets come from: a variable, a file, a command, a token's issuer; before anything is sent."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error

from mesh_core.config import is_loopback
from mesh_core.errors import ConfigInvalid, ExitCode, MeshError
from mesh_core.replay_config import Auth, AuthKind
from mesh_store.disk import read_file

_MOST_OUTPUT = 64 * 1024
"""Bytes of a command's output that may be a secret."""


class SecretMissing(MeshError):
    """A credential cannot be had; nothing was sent."""

    exit_code = ExitCode.ENVIRONMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What one provider knows."""

    auth: Auth
    credential: str = field(default="", repr=False)
    """The token, the password, or the key."""
    restored: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values by the place that they go back to."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every secret, none of them empty."""
        return tuple(dict.fromkeys(each for each in (self.credential, *self.restored.values()) if each))


async def gather(auth: Auth, environ: Mapping[str, str], folder: Path) -> Secrets:
    """The secrets of a provider.

    Args:
        auth: what the configuration says.
        environ: of this process.
        folder: the configuration's; key files and commands are relative to it.

    Raises:
        SecretMissing: one cannot be had.
    """
    restored = {place: _variable(auth, name, environ) for place, name in auth.restore.items()}
    get: Mapping[AuthKind | None, Callable[[], str]] = {
        None: str,
        AuthKind.ENVIRONMENT: lambda: _variable(auth, auth.variable or "", environ),
        AuthKind.HMAC: lambda: _variable(auth, auth.variable or "", environ),
        AuthKind.JWT: lambda: _key(auth, environ, folder),
    }
    if auth.kind is AuthKind.COMMAND:
        credential = await _printed(auth, environ, folder)
    elif auth.kind is AuthKind.OAUTH2:
        credential = await _issued(auth, _variable(auth, auth.variable or "", environ))
    else:
        credential = get[auth.kind]()
    if auth.value == "{secret}" and auth.header == "Authorization" and " " not in credential.strip():
        credential = f"Bearer {credential}"
    if auth.kind in (AuthKind.ENVIRONMENT, AuthKind.COMMAND, AuthKind.OAUTH2):
        _check_one_line(auth, credential)
    for place, value in restored.items():
        if place.startswith(("header:", "cookie:")):
            _check_one_line(auth, value)
    return Secrets(auth=auth, credential=credential, restored=restored)


def _check_one_line(auth: Auth, value: str) -> None:
    """A line break in a header's value would be the begin of another header, or of another request."""
    if any(character < " " or character == "\x7f" for character in value):
        raise SecretMissing(
            f"auth.{auth.name}: what it gives is more than one line of text",
            hint="a header takes one line; nothing was sent",
        )


def _variable(auth: Auth, name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise SecretMissing(
            f"auth.{auth.name} needs {name}, which is not set", hint=f"export {name}=…; nothing was sent"
        )
    return value


def _key(auth: Auth, environ: Mapping[str, str], folder: Path) -> str:
    if auth.key_file is None:
        return _variable(auth, auth.variable or "", environ)
    content = read_file(folder / auth.key_file)
    if not content:
        raise SecretMissing(
            f"auth.{auth.name}: there is no key in {folder / auth.key_file}", hint="nothing was sent"
        )
    return content.decode("latin-1")


async def _printed(auth: Auth, environ: Mapping[str, str], folder: Path) -> str:
    arguments = ("/bin/sh", "-c", auth.command[0]) if len(auth.command) == 1 else auth.command
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            env=dict(environ),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            process_group=0,
        )
    except OSError as cause:
        raise SecretMissing(
            f"auth.{auth.name}: {arguments[0]} cannot be run: {cause.strerror}", hint="nothing was sent"
        ) from cause
    try:
        async with asyncio.timeout(auth.timeout):
            output, _ = await process.communicate()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
        raise SecretMissing(
            f"auth.{auth.name}: the command gave nothing within {auth.timeout:g} s",
            hint="set its timeout; nothing was sent",
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    secret = output[:_MOST_OUTPUT].decode(errors="replace").strip()
    if process.returncode or not secret:
        how = f"failed with exit code {process.returncode}" if process.returncode else "printed nothing"
        raise SecretMissing(f"auth.{auth.name}: the command {how}", hint="run it by hand; nothing was sent")
    return secret


async def _issued(auth: Auth, client_secret: str) -> str:
    """An access token by client credentials; RFC 6749, sections 2.3.1 and 4.4."""
    url = httpx.URL(auth.token_url or "")
    if url.scheme != "https" and not is_loopback(f"{url.host}:{url.port or 80}"):
        raise ConfigInvalid(f"auth.{auth.name}: token_url {url} is not https", hint="write https://…")
    client = BackendApplicationClient(auth.client_id or "", scope=list(auth.scope) or None)
    extra = {} if auth.audience is None else {"audience": auth.audience}
    body = client.prepare_request_body(include_client_id=False, **extra)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    status = 0
    try:
        async with httpx.AsyncClient(timeout=auth.timeout) as session:
            answer = await session.post(
                url, content=body, headers=headers, auth=(auth.client_id or "", client_secret)
            )
        status = answer.status_code
        token: str = client.parse_request_body_response(answer.text)["access_token"]
    except httpx.HTTPError as cause:
        raise SecretMissing(
            f"auth.{auth.name}: {url} gave no answer ({type(cause).__name__})", hint="nothing was sent"
        ) from cause
    except (OAuth2Error, KeyError, ValueError) as cause:
        why = getattr(cause, "error", None) or "no access token"
        raise SecretMissing(
            f"auth.{auth.name}: {url} refused with {status}: {why}",
            hint="are client and secret right? nothing was sent",
        ) from cause
    return token
