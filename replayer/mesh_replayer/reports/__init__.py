"""Reports: each a consumer of a run's events. A new one is a file and a line in `make`."""
