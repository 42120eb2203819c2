"""The little SQL that both databases have but spell in two modules, and keys of several columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, case, tuple_
from sqlalchemy.dialects import postgresql, sqlite

_CHUNK = 100
T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]
AnyRow = Row[*tuple[Any, ...]]


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows whose key is not there yet, leave others as they are."""
    if rows:
        connection.execute(_inserting(connection.dialect.name, table), ordered(table, rows))


def upsert(connection: Connection, table: Table, rows: Rows, *columns: str) -> None:
    """Insert rows; where the key is there already, overwrite `columns`."""
    if rows:
        connection.execute(_upserting(connection.dialect.name, table, columns), ordered(table, rows))


@cache
def _inserting(dialect: str, table: Table) -> Any:
    return insert_for(dialect, table).on_conflict_do_nothing()


@cache
def _upserting(dialect: str, table: Table, columns: tuple[str, ...]) -> Any:
    statement = insert_for(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column: statement.excluded[column] for column in columns},
    )


def ordered(table: Table, rows: Rows) -> list[dict[str, Any]]:
    """Sort by key: two writers that lock rows in one order never wait for each other in a circle."""
    key = [c.name for c in table.primary_key.columns]
    return [dict(row) for row in sorted(rows, key=lambda row: tuple(row.get(name) or 0 for name in key))]


def insert_for(dialect: str, table: Table) -> Any:
    """Return the dialect's INSERT, which knows ON CONFLICT."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)


def least(a: ColumnElement[Any], b: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the smaller of two values; `b` where `a` is null."""
    return case((a < b, a), else_=b)


def matches(columns: Sequence[ColumnElement[Any]], keys: Sequence[Sequence[Any]]) -> ColumnElement[bool]:
    """Return the condition that the columns are one of `keys`: one statement for any number, by index seeks."""
    return tuple_(*columns).in_([tuple(key) for key in keys])


def chunks(items: Iterable[T], size: int = _CHUNK) -> Iterator[list[T]]:
    """Yield lists of at most `size` items."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
