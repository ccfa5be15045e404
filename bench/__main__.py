"""`python -m bench [NAME …]`: the benchmarks, each a table of ratios on stdout and in `bench/results/`."""

import sys
from importlib import import_module

NAMES = ("recorder", "redact", "store")


def main(wanted: list[str]) -> None:
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise SystemExit(f"bench: there is no benchmark {unknown[0]}; there are {', '.join(NAMES)}")
    for name in wanted or NAMES:
        import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
