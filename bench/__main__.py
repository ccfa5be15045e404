"""`python -m bench [NAME …]`: the benchmarks, each a table of ratios on stdout and in `bench/results/`.

Options after a single name are that benchmark's: `python -m bench recorder --help`.
"""

import sys
from importlib import import_module

NAMES = ("correlate", "diff", "recorder", "redact", "send", "store", "wire_stages")
WITH_OPTIONS = ("diff", "recorder")


def main(words: list[str]) -> None:
    options = next((words[at:] for at, word in enumerate(words) if word.startswith("-")), [])
    wanted = words[: len(words) - len(options)]
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise SystemExit(f"bench: there is no benchmark {unknown[0]}; there are {', '.join(NAMES)}")
    if options and (len(wanted) != 1 or wanted[0] not in WITH_OPTIONS):
        raise SystemExit(
            f"bench: {options[0]} is an option of none of them; of {', '.join(WITH_OPTIONS)} alone"
        )
    for name in wanted or NAMES:
        benchmark = import_module(f"bench.{name}").main
        benchmark(options) if options else benchmark()


if __name__ == "__main__":
    main(sys.argv[1:])
