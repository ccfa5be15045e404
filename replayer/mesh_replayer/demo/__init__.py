"""`mesh-replay demo`: the demo shop, recorded, broken, found and replayed before your eyes."""


def run_demo(*, once: bool, without_sidecar: tuple[str, ...], json_output: bool) -> int:
    """Tell the whole story once, and on a terminal stay up afterwards.

    Args:
        once: end everything when the story is told; so it is, too, where stdout is no terminal.
        without_sidecar: services whose sidecar is left for the reader to start.
        json_output: the result as one JSON document on stdout, the story on stderr.

    Returns:
        0 if the failed trace was recorded whole, payment is its culprit, and the three replays
        gave `reproduced`, `not_reproduced` and `fails_differently`; else 1.

    Raises:
        MeshError: a process of the demo did not start.
    """
    from mesh_replayer.demo.stage import perform  # heavy: keep --help fast

    return perform(once=once, without_sidecar=without_sidecar, json_output=json_output)
