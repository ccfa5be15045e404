"""The query language: text comes in, a value goes out, and `matches` says what it means. Pure.

1. `parse_query` reads it, a store translates the value, `matches` is what both are held to.
2. No value is ever a regular expression, and nothing takes longer than in proportion to what is looked at.
3. Texts and numbers in a value are ones that any database takes: no NUL, no lone surrogate, 64 bits.
"""

from mesh_core.query.matching import matches
from mesh_core.query.parser import parse_query
from mesh_core.query.value import And, Field, Node, Not, Number, Op, Or, Query, Text

__all__ = [
    "And",
    "Field",
    "Node",
    "Not",
    "Number",
    "Op",
    "Or",
    "Query",
    "Text",
    "matches",
    "parse_query",
]
