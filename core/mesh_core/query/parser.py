"""Tokens as a tree of terms. Pure.

1. `OR` binds less than side by side, and `-` binds most.
2. Nothing is guessed: what cannot be read is an error that names the character.
"""

from collections.abc import Callable

from mesh_core.query.lexer import Kind, Token, refuse, tokens
from mesh_core.query.terms import term
from mesh_core.query.value import And, Node, Not, Or, Query

MOST_DEPTH = 16
"""Brackets and minus signs within each other."""
MOST_TERMS = 64
"""Values after commas count each."""


def parse_query(text: str, *, now: int) -> Query:
    """Read a search.

    Args:
        text: in the language of docs/reference/query-language.md; blank finds everything.
        now: nanoseconds since the Unix epoch; `since:2h` is counted back from it.

    Raises:
        QueryInvalid: naming the character.
    """
    parser = _Parser(list(tokens(text)), now)
    return Query(text, parser.whole())


class _Parser:
    """One pass over the tokens."""

    def __init__(self, found: list[Token], now: int) -> None:
        self.found, self.now = found, now
        self.at = self.depth = self.terms = 0

    @property
    def token(self) -> Token:
        return self.found[self.at]

    def whole(self) -> Node | None:
        if self.token.kind is Kind.END:
            return None
        node = self.any_of()
        after = self.token
        if after.kind is not Kind.END:
            raise refuse(f'a "{after.kind}" without its "("', after.at, hint="take it out, or open it")
        return node

    def any_of(self) -> Node:
        nodes = [self.all_of()]
        while self.token.kind is Kind.OR:
            self.at += 1
            nodes.append(self.all_of())
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def all_of(self) -> Node:
        nodes = [self.one()]
        while self.token.kind not in (Kind.OR, Kind.CLOSE, Kind.END):
            if self.token.kind is Kind.AND:
                self.at += 1
            nodes.append(self.one())
        return nodes[0] if len(nodes) == 1 else And(tuple(nodes))

    def one(self) -> Node:
        token = self.token
        self.at += 1
        if token.kind is Kind.WORD:
            node, count = term(token.characters, token.at, self.now)
            self.terms += count
            if self.terms > MOST_TERMS:
                raise refuse(f"more than {MOST_TERMS} terms", token.at, hint="shorten it, or search twice")
            return node
        if token.kind is Kind.NOT:
            return Not(self.deeper(token, self.one))
        if token.kind is Kind.OPEN:
            node = self.deeper(token, self.any_of)
            if self.token.kind is not Kind.CLOSE:
                raise refuse('a "(" is never closed', token.at, hint='close it with ")"')
            self.at += 1
            return node
        before = token.kind if token.kind is Kind.END else f'"{token.kind}"'
        hint = "write one, such as service:cart or status:5xx"
        raise refuse(f"a term is missing before {before}", token.at, hint=hint)

    def deeper(self, token: Token, read: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise refuse(f"more than {MOST_DEPTH} levels deep", token.at, hint="search for less at once")
        node = read()
        self.depth -= 1
        return node
