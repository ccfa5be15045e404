"""`mesh-replay export`, `import`, `trust`, typed."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mesh_core.model import Message, Sender
from mesh_replayer.captures import unpacked
from mesh_store.store import open_store
from support.replays import TRACE, Desk, recorded


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("name", ["all.har", "all.har.gz", "all.har.zst"])
def test_exporting_and_importing_elsewhere_loses_nothing(desk: Desk, name: str) -> None:
    exchanges = [
        recorded(
            number, path=f"//x/../%2F?\xe9={number}", body=bytes(range(256)) * number, method="POST",
            headers=((b"HOST", b"a"), (b"host", b"b"), (b"X-L", b"\xe9")), answer_body=b"\xff\xfe" * number,
            request_trailers=((b"T", b"1"),), request_id=f"r{number}",
            messages=(Message(sender=Sender.SERVER, offset=3, type="event", payload=b"\x00"),),
        )
        for number in range(3)
    ]  # fmt: skip
    desk.keep(exchanges)
    elsewhere = f"sqlite:///{desk.folder}/elsewhere.db"

    exported = desk.type("export", TRACE, "-o", str(desk.folder / name))
    imported = desk.type("import", str(desk.folder / name), "--store", elsewhere)
    again = desk.type("import", str(desk.folder / name), "--store", elsewhere, "--json")

    assert (exported.exit_code, imported.exit_code) == (0, 0), exported.stderr + imported.stderr
    assert "3 exchanges in" in exported.stdout
    assert imported.stdout.startswith("3 of 3 exchanges in")
    assert json.loads(again.stdout) == {"file": str(desk.folder / name), "exchanges": 3, "new": 0}
    assert (desk.folder / name).stat().st_mode & 0o077 == 0
    with open_store(elsewhere) as store:
        found = store.exchanges(exchange.id for exchange, _ in exchanges)
        assert found == [exchange for exchange, _ in exchanges]
        assert store.bodies(found) == {key: body for _, bodies in exchanges for key, body in bodies.items()}


def test_what_is_exported_is_named_by_an_id_or_found_by_a_query(desk: Desk) -> None:
    exchanges = [
        recorded(number, path=f"/{number}", status=500 if number == 1 else 200) for number in range(4)
    ]
    desk.keep(exchanges)

    def exported(*words: str) -> list[str]:
        file = desk.folder / "some.har"
        result = desk.type("export", *words, "-o", str(file))
        assert result.exit_code == 0, result.stderr
        return [entry["request"]["url"][-1] for entry in json.loads(file.read_text())["log"]["entries"]]

    assert exported(exchanges[2][0].id) == ["2"]
    assert exported("last") == ["0", "1", "2", "3"]
    assert exported("service:cart", "status:5xx") == ["1"]
    assert exported("service:cart", "--limit", "2") == ["2", "3"]


def test_an_export_of_nothing_is_exit_5_and_writes_nothing(desk: Desk) -> None:
    desk.keep([recorded()])

    result = desk.type("export", "service:none", "-o", str(desk.folder / "none.har"))

    assert (result.exit_code, result.stderr.count("\n")) == (5, 1)
    assert not (desk.folder / "none.har").exists()


def test_a_name_that_says_no_format_is_refused(desk: Desk) -> None:
    desk.keep([recorded()])

    result = desk.type("export", "last", "-o", str(desk.folder / "x.zip"))

    assert (result.exit_code, ".har.zst" in result.stderr) == (2, True)
    assert list(desk.folder.glob("*.zip*")) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"log": {"version": "1.2", "entries": [{}]}}',
        b'{"log": ' + b"[" * 100_000,
        gzip.compress(b"{}", mtime=0)[:-9],
        b"\x1f\x8bnonsense",
        b"\x28\xb5\x2f\xfdnonsense",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
        zstandard.ZstdCompressor().compress(b"\x00" * 1_000_000),
    ],
    ids=range(10),
)
def test_what_is_no_har_is_one_line(desk: Desk, content: bytes) -> None:
    """Case P20."""
    file = desk.folder / "broken.har"
    file.write_bytes(content)

    result = desk.type("import", str(file))

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    assert result.stderr.startswith(f"mesh-replay: {file}")
    assert not (desk.folder / "mesh.db").exists()


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress, bytes])
def test_no_more_is_unpacked_than_was_asked_for(pack: Callable[[bytes], bytes]) -> None:
    """Case P20."""
    packed = pack(b" " * 1_000_000)

    assert len(unpacked(packed, 1_000)) == (1_000 if len(packed) < 1_000_000 else 1_000_000)


def test_a_bomb_is_read_within_bounds(desk: Desk) -> None:
    """Case P20."""
    file = desk.folder / "bomb.har.zst"
    compressor = zstandard.ZstdCompressor().compressobj()
    with file.open("wb") as out:
        for _ in range(300):
            out.write(compressor.compress(b" " * 1024 * 1024))
        out.write(compressor.flush())

    result = desk.type("import", str(file))

    assert (result.exit_code, "larger than" in result.stderr) == (2, True)


def test_a_file_that_is_not_there_is_one_line(desk: Desk) -> None:
    result = desk.type("import", str(desk.folder / "missing.har"))

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_a_har_of_a_browser_is_imported_and_found(desk: Desk) -> None:
    request = {
        "method": "GET", "url": "https://shop.example/carts/7?x=1", "httpVersion": "HTTP/2.0", "cookies": [],
        "headers": [{"name": "accept", "value": "*/*"}], "queryString": [], "headersSize": -1,
        "bodySize": 0,
    }  # fmt: skip
    response = {
        "status": 200, "statusText": "", "httpVersion": "HTTP/2.0", "cookies": [], "redirectURL": "",
        "headers": [{"name": "content-type", "value": "application/json"}], "headersSize": -1,
        "bodySize": 8, "content": {"size": 8, "mimeType": "application/json", "text": '{"a": 1}'},
    }  # fmt: skip
    entry = {
        "startedDateTime": "2026-02-02T10:00:00.000Z", "time": 12, "cache": {}, "request": request,
        "response": response, "timings": {"send": 1, "wait": 10, "receive": 1},
    }  # fmt: skip
    log = {"version": "1.2", "creator": {"name": "WebInspector", "version": "1"}, "entries": [entry]}
    file = desk.folder / "chrome.har"
    file.write_text(json.dumps({"log": log}))

    imported = desk.type("import", str(file))
    listed = json.loads(desk.type("list", "--json").stdout)

    assert imported.exit_code == 0, imported.stderr
    assert (listed["service"], listed["path"]) == ("shop.example", "/carts/7?x=1")


def test_trust_is_for_a_file_as_it_stands(desk: Desk) -> None:
    desk.config('allow_targets = ["192.0.2.1:80"]\n')
    file = str(desk.folder / "mesh.toml")

    before = desk.type("list")
    trusted = desk.type("trust", file)
    after = desk.type("list")
    desk.config('allow_targets = ["192.0.2.1:80", "192.0.2.2:80"]\n')
    changed = desk.type("list")

    assert (before.exit_code, trusted.exit_code, after.exit_code, changed.exit_code) == (4, 0, 0, 4)
    assert "mesh-replay trust" in before.stderr
    assert "allow_targets = '192.0.2.1:80'" in trusted.stdout


def test_trust_without_a_file_says_what_to_do(desk: Desk) -> None:
    result = desk.type("trust", str(desk.folder / "none.toml"))

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_trust_reads_the_file_first(desk: Desk) -> None:
    desk.config("nonsense = [\n")

    result = desk.type("trust", str(desk.folder / "mesh.toml"))

    assert (result.exit_code, "not valid TOML" in result.stderr) == (2, True)
