"""What all tests share."""

from support.stores import postgres_server, postgres_template, store, store_url

__all__ = ["postgres_server", "postgres_template", "store", "store_url"]
