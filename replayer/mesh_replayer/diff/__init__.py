"""Where a replayed response is not as recorded. Pure: values come in, differences go out."""

from mesh_replayer.diff.compare import Comparison, Response, compare, compare_responses, read_response
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.headers import LeftOut

__all__ = [
    "Comparison", "Difference", "Kind", "LeftOut", "Response", "Where", "compare", "compare_responses",
    "read_response",
]  # fmt: skip
