"""What `mesh-replay` can be told to do: arguments in, one call, output, exit code."""
