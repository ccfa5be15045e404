"""XML and HTML as trees that are compared as JSON is. Pure.

1. Of XML: `$.order[0].item[2]['@sku']`; elements of one name are an array, text is `['#text']` where there is
   more beside it. Names are as written, with their prefixes.
2. Of HTML: what is seen, and attributes: `$['body>form>input[csrf]'][0]['@value']`; no scripts, no styles.
3. Nothing outside the document is read, no entity is expanded.
"""

from collections.abc import Iterator
from typing import Any

import lxml.etree as etree  # as its types are unknown to both checkers
import lxml.html as html

MOST_MARKUP = 8 * 1024 * 1024
"""Bytes: larger documents are compared as text."""
_UNSEEN = frozenset({"script", "style", "template", "noscript"})
_MOST_ELEMENTS = 100_000
_WHITE = "\t\n\r\f "


def xml_tree(content: bytes) -> Any:
    """The tree of an XML document.

    Raises:
        ValueError: it is none, or too large.
    """
    if len(content) > MOST_MARKUP:
        raise ValueError("too large")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as cause:
        raise ValueError("no XML") from cause
    _check_size(root)
    return {_name(root): [_element(root)]}


def _check_size(root: Any) -> None:
    if sum(1 for _ in root.iter()) > _MOST_ELEMENTS:
        raise ValueError("too many elements")


def _element(element: Any) -> Any:
    """An element: its text, or an object of attributes, text and children. libxml2 bounds the depth."""
    tree: dict[str, Any] = {f"@{name}": value for name, value in _attributes(element)}
    texts = [element.text or ""]
    for child in element:
        texts.append(child.tail or "")
        if isinstance(child.tag, str):
            tree.setdefault(_name(child), []).append(_element(child))
        else:  # an entity, as it is written
            texts.append(child.text or "")
    text = " ".join(filter(None, (each.strip(_WHITE) for each in texts)))
    if not tree:
        return text
    if text:
        tree["#text"] = text
    return tree


def _name(element: Any) -> str:
    local: str = etree.QName(element).localname
    return f"{element.prefix}:{local}" if element.prefix else local


def _attributes(element: Any) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        qualified = etree.QName(name)
        prefix = next((p for p, uri in element.nsmap.items() if uri == qualified.namespace and p), None)
        yield (f"{prefix}:{qualified.localname}" if prefix else qualified.localname), value


def html_tree(content: bytes, charset: str) -> Any:
    """What a page shows: for each place, its elements with text and attributes.

    Raises:
        ValueError: it is none, or too large.
    """
    if len(content) > MOST_MARKUP:
        raise ValueError("too large")
    parser = html.HTMLParser(encoding=charset, remove_comments=True)
    try:
        root = html.document_fromstring(content, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, LookupError) as cause:
        raise ValueError("no HTML") from cause
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise ValueError("nested too deeply")  # the rest was left out
    _check_size(root)
    places: dict[str, list[Any]] = {}
    for place, element in _shown(root):
        record: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
        own = "" if element.tag in _UNSEEN else _own_text(element)
        if own:
            record["text"] = own
        if record:
            places.setdefault(place, []).append(record)
    return places


def _shown(root: Any) -> Iterator[tuple[str, Any]]:
    """Elements with their places, in order; without recursion, as pages may be deep."""
    left: list[tuple[str, Any]] = [("", root)]
    while left:
        above, element = left.pop()
        place = _place(above, element)
        yield place, element
        if element.tag not in _UNSEEN:
            left.extend((place, child) for child in reversed(element) if isinstance(child.tag, str))


def _place(above: str, element: Any) -> str:
    """The way down to an element, from `body` or `head` on, at most its last six steps."""
    name = element.get("name")
    step = f"{element.tag}[{name}]" if name else str(element.tag)
    if element.tag in ("html", "body", "head"):
        return step
    return ">".join([*above.split(">"), step][-6:])


def _own_text(element: Any) -> str:
    texts = [element.text or "", *(child.tail or "" for child in element)]
    return " ".join(" ".join(texts).split())
