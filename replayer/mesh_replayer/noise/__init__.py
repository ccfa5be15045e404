"""Which differences mean nothing, and how that is known. Pure: values come in, decisions go out.

`shapes` tells what a value looks like, `predicates` what of it may vary, `rule` where; `learning` makes rules
of what was observed, `deciding` applies them, `identity` checks that ids still match, `rulefile` reads and
writes what a person can review.
"""
