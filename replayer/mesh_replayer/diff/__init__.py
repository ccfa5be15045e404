"""Where a replayed response is not as recorded. Pure: values come in, differences go out."""

from mesh_replayer.diff.compare import Comparison, compare
from mesh_replayer.diff.difference import Difference, Kind, Where
from mesh_replayer.diff.headers import LeftOut

__all__ = ["Comparison", "Difference", "Kind", "LeftOut", "Where", "compare"]
