"""Find, show, compare and replay what was recorded."""
