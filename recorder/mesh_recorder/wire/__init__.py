"""The wire lane: a plain relay for HTTP/1.1 and h2c that forwards bytes first and reads a copy after."""
