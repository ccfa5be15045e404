"""What was recorded, for people at a terminal. Values come in, lines go out."""
