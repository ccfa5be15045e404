"""The store: SQLite or Postgres, and the bodies in it."""
