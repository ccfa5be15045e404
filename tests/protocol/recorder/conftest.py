"""All of this runs in both lanes."""

from support.lanes import lane, pytest_generate_tests

__all__ = ["lane", "pytest_generate_tests"]
