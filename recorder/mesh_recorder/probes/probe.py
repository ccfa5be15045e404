"""Make calls with the HTTP clients of this Python: `python probe.py CLIENT=URL…`.

Run by `mesh-record doctor` with whatever Python a service has, so it needs nothing but its own
standard library, of any Python 3. A line for each call: `CLIENT=URL`, a tab, `ok`, `absent` or the error.
"""

import sys


def urllib(url: str) -> None:
    """The standard library's."""
    from urllib.request import urlopen

    with urlopen(url, timeout=20) as response:  # noqa: S310  # a URL of the doctor's
        response.read()


def requests(url: str) -> None:
    """The package requests."""
    import requests

    requests.get(url, timeout=20)


def httpx(url: str) -> None:
    """The package httpx."""
    import httpx

    httpx.get(url, timeout=20)


def aiohttp(url: str) -> None:
    """The package aiohttp, as it is."""
    _aiohttp(url)


def aiohttp_trust_env(url: str) -> None:
    """The same, told to look at the environment."""
    _aiohttp(url, trust_env=True)


def _aiohttp(url: str, trust_env: bool = False) -> None:
    import asyncio

    import aiohttp

    async def call() -> None:
        async with aiohttp.ClientSession(trust_env=trust_env) as session, session.get(url) as response:
            await response.read()

    asyncio.run(asyncio.wait_for(call(), 20))


CLIENTS = {
    "urllib": urllib,
    "requests": requests,
    "httpx": httpx,
    "aiohttp": aiohttp,
    "aiohttp(trust_env=True)": aiohttp_trust_env,
}


def main() -> None:
    """Make the calls that the arguments name."""
    for call in sys.argv[1:]:
        client, _, url = call.rpartition("=http")
        try:
            CLIENTS[client]("http" + url)
            result = "ok"
        except ImportError:
            result = "absent"
        except Exception as error:  # noqa: BLE001  # whatever the client says is the result
            result = f"{type(error).__name__}: {error}"
        print(call, " ".join(result.split()), sep="\t", flush=True)  # noqa: T201  # read by the doctor


main()
