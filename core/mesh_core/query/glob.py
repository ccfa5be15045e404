"""Globs, in time that grows with the text alone. Pure."""


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text fits a pattern in which `*` stands for any characters, also none."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == first
    *middle, last = rest
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
