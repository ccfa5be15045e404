"""Several processes on the same sockets, and the supervisor that holds these and replaces who dies."""
