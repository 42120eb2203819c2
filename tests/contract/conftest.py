"""What the suites of the store share: a fresh database on each engine, and what stands on it."""

from support.stores import (
    clock,
    open_again,
    postgres_server,
    postgres_template,
    sqlite_template,
    store,
    url,
    work,
)

__all__ = ["clock", "open_again", "postgres_server", "postgres_template", "sqlite_template", "store", "url", "work"]
