"""What start-up made stays for good: it is kept out of the garbage collector's passes.

Each full pass over it holds the interpreter, and so traffic, for tens of milliseconds.
"""

import gc


def settle() -> None:
    """Leave all that is there now to the process's end; for processes that record, once they are ready."""
    gc.collect()
    gc.freeze()
