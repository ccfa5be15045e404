"""Content types: how a body is read. Pure."""

import re
from dataclasses import dataclass
from email.message import Message
from enum import Enum, auto
from functools import lru_cache

from mesh_core.redact.sweep import Unreadable


class Form(Enum):
    """What a body is read as."""

    JSON = auto()
    LINES = auto()
    """JSON documents on lines of their own."""
    FORM = auto()
    MULTIPART = auto()
    MARKUP = auto()
    EVENTS = auto()
    TEXT = auto()
    GRPC = auto()
    PROTOBUF = auto()
    MEDIA = auto()
    """Kept as it is."""
    UNKNOWN = auto()
    """Read as text where it is text, else dropped."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A content type, read."""

    media_type: str
    form: Form
    boundary: str
    codec: str | None
    """To decode text with; None where ASCII can be read as it stands."""


_MEDIA = re.compile(
    r"(?:image/(?!svg)|audio/|video/|font/|model/|application/(?:wasm|font-|x-font|vnd\.ms-fontobject)).*"
)
MAGIC = (
    b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"wOFF", b"wOF2", b"\0asm", b"OggS", b"fLaC",
    b"ID3", b"\x1aE\xdf\xa3",
)  # fmt: skip
_JSON = re.compile(
    r".*[/+]json|application/(?:x-amz-json-1\.[01]|csp-report|manifest|importmap|x-json)|text/x-json|application/problem"
)
_LINES = re.compile(
    r"application/(?:x-)?(?:nd-?json|jsonl|jsonlines|ldjson|stream\+json|json-seq)|.*\+json-seq|text/(?:x-)?(?:ndjson|jsonl)"
)
_MARKUP = re.compile(r".*[/+]xml|text/html|application/xhtml|application/soap|.*xml-dtd")
_PROTOBUF = re.compile(r"application/(?:x-|vnd\.google\.)?protobuf|.*[+/](?:x-)?proto(?:buf)?")
_TEXT = re.compile(
    r"text/.*|application/(?:(?:x-)?(?:javascript|ecmascript|yaml|toml|sh|sql|httpd-php|perl|latex|pem-file)|graphql|yaml"
    r"|jwt|jose|sdp|pgp-.*|x-pem-file|secevent\+jwt|.*\+jwt|dns-json|x-www-form|.*\+yaml|xquery|rtf)"
)
_ONE_BYTE = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-?\d{1,2}|latin-?[1-9]|windows-?125\d|cp-?125\d|koi8-[ru]|macintosh|binary|unicode"
)
"""Text in these is read as it stands: ASCII is ASCII in them."""
_WIDE = re.compile(
    r"utf-?16(?:le|be|-le|-be)?|utf-?32(?:le|be|-le|-be)?|utf-?7|shift[_-]?jis|sjis|windows-31j|euc-(?:jp|kr)|gb2312|gbk|gb18030"
    r"|big5(?:-hkscs)?|iso-2022-(?:jp|kr)"
)
"""Text in these is decoded first."""


_FORMS = (
    (re.compile(r"application/grpc.*"), Form.GRPC),
    (_PROTOBUF, Form.PROTOBUF),
    (_MEDIA, Form.MEDIA),
    (re.compile(r"multipart/.*"), Form.MULTIPART),
    (_LINES, Form.LINES),
    (_JSON, Form.JSON),
    (re.compile(r"application/x-www-form-urlencoded"), Form.FORM),
    (re.compile(r"text/event-stream"), Form.EVENTS),
    (_MARKUP, Form.MARKUP),
    (_TEXT, Form.TEXT),
)


@lru_cache(maxsize=512)
def kind_of(content_type: str | None) -> Kind:
    """How a body of this type is read.

    Raises:
        Unreadable: a character set that nobody here knows: its text may say anything.
    """
    kind, parameters = _parsed((content_type or "")[:1024])
    form = next((form for pattern, form in _FORMS if pattern.fullmatch(kind)), Form.UNKNOWN)
    return Kind(kind, form, parameters.get("boundary", ""), _codec(parameters.get("charset", "")))


def _parsed(content_type: str) -> tuple[str, dict[str, str]]:
    """Media type and parameters; names in lower case."""
    kind, semicolon, rest = content_type.partition(";")
    if not semicolon:
        return kind.strip().lower(), {}
    message = Message()
    message["content-type"] = "a/b;" + re.sub(r"[\x00-\x1f]", " ", rest)
    found = message.get_params(failobj=[], unquote=True)
    return kind.strip().lower(), {name.lower(): str(value) for name, value in found}


def _codec(charset: str) -> str | None:
    name = charset.strip().lower()
    if not name or _ONE_BYTE.fullmatch(name):
        return None
    if _WIDE.fullmatch(name):
        return name
    raise Unreadable("charset")
