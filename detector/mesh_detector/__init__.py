"""Baselines, missing calls, stitching: what the store says about the traffic."""
