"""Text without what differs from request to request: ids, numbers, times. Pure."""

import re
from urllib.parse import unquote

_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_TIME = r"\d{4}-\d\d-\d\d(?:[T_ ]?\d\d:?\d\d(?::?\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?"
_EMAIL = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_LONG_BASE64 = (
    r"(?=(?:[A-Za-z_+~-]{0,60}\d){2})(?=[a-z\d_+~-]{0,60}[A-Z])(?=[A-Z\d_+~-]{0,60}[a-z])[\w+~-]{16,}={0,2}"
)
"""Upper and lower case and at least two digits together; `PaymentServiceV2` is a name."""

_ID_SEGMENT = re.compile(
    "|".join(
        [
            r"[-+]?\d+(?:\.\d+)?",
            _UUID,
            r"(?:0[xX])?[0-9a-fA-F]{8,}",
            r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}",  # ULID
            _TIME,
            _EMAIL,
            _LONG_BASE64,
            r"(?=[A-Za-z]{0,40}\d[A-Za-z]{0,40}\d)[0-9A-Za-z]{20,}",  # lower-case tokens
            r"[A-Za-z]{1,20}[-_]\d+",  # sku-9, order_1234
            r"[A-Za-z]{1,8}_(?=[A-Za-z]{0,40}\d)[0-9A-Za-z]{8,}",  # cus_8dKj2l0q
        ]
    )
)
_EXTENSION = re.compile(r"(.+)(\.[a-z]{2,5})")

_IN_TEXT = re.compile(
    "|".join(
        [
            _EMAIL,
            rf"\b{_UUID}\b",
            rf"\b{_TIME}",
            r"\b0[xX][0-9a-fA-F]+\b",
            r"\b(?=[a-fA-F]{0,64}\d)[0-9a-fA-F]{8,}\b",
            rf"\b{_LONG_BASE64}",
            r"[-+]?\d+(?:[.,:]\d+)*",
        ]
    )
)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")
_MOST_TEXT = 2_000
"""Characters that are looked at: enough to tell errors apart."""


def path_template(path: str) -> str:
    """The path with `{id}` for every segment that looks like an id, and no query.

    Numbers, UUIDs, hex of eight digits or more, ULIDs, dates, e-mail addresses, long tokens and
    `name-123` are masked. The learned route of a service is another thing: this rule needs no
    knowledge, so the recorded and the replayed side agree.
    """
    bare = path.partition("?")[0].partition("#")[0]
    if bare.startswith(("http://", "https://")):
        slash = bare.find("/", bare.index("//") + 2)
        bare = bare[slash:] if slash >= 0 else "/"
    return "/".join(_segment(segment) for segment in bare.split("/"))


def masked(text: str) -> str:
    """One line of `text` with `#` for what differs each time; printable characters alone.

    Args:
        text: of any length; its first 2,000 characters count.
    """
    line = _UNPRINTABLE.sub(" ", text[:_MOST_TEXT]).strip()
    return _IN_TEXT.sub("#", line)


def _segment(segment: str) -> str:
    if not segment:
        return segment
    name, semicolon, _ = segment.partition(";")
    plain = unquote(name)
    if _ID_SEGMENT.fullmatch(plain):
        return "{id}"
    with_extension = _EXTENSION.fullmatch(plain)
    if with_extension and _ID_SEGMENT.fullmatch(with_extension[1]):
        return "{id}" + with_extension[2]
    return name if semicolon else segment
