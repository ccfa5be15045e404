"""Capture files: HAR 1.2, written without loss, and read whoever wrote it. Pure.

1. Each datum stands in one place: where HAR has one, there, else in `_mesh`; so a file can be edited.
2. Bytes of the wire are latin-1 in JSON; a body that its text does not give back is there as base64 too.
3. What is read is hostile: it is checked, bounded, and what cannot be read is one CaptureInvalid.

Source: HAR 1.2 Spec, http://www.softwareishard.com/blog/har-12-spec/.
"""

from mesh_core.har.reading import MOST_BYTES, MOST_ENTRIES, load_har
from mesh_core.har.writing import dump_har

__all__ = ["MOST_BYTES", "MOST_ENTRIES", "dump_har", "load_har"]
