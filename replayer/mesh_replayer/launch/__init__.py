"""Starting a service for a run: its environment, its process tree, the port that it listens on."""
