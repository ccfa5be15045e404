"""Benchmarks: ratios of one interleaved run, never absolute promises."""
