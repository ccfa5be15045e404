"""Fresh credentials for a replay: where secrets come from, how they get into requests, and nowhere else."""
