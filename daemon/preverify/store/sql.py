"""The little SQL that both databases have but spell in two modules, and keys of several columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Boolean, ColumnElement, Connection, Row, Table, Text, case, literal, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from preverify.store.columns import encode

_CHUNK = 200
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


class _Keys(FunctionElement[Any]):
    """Rows of text keys out of one JSON parameter."""

    inherit_cache = True
    name = "keys"
    width = 0


@cache
def _keys(width: int) -> type[_Keys]:
    """Return the element for keys of so many columns: a class each, which is what compiled statements are kept by."""
    return type(f"_Keys{width}", (_Keys,), {"width": width, "inherit_cache": True})


@compiles(_Keys, "sqlite")
def _on_sqlite(element: _Keys, compiler: Any, **options: Any) -> str:
    columns = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(element.width))
    return f"(SELECT {columns} FROM json_each({compiler.process(element.clauses, **options)}))"  # noqa: S608 - numbers


@compiles(_Keys, "postgresql")
def _on_postgres(element: _Keys, compiler: Any, **options: Any) -> str:
    columns = ", ".join(f"value ->> {n}" for n in range(element.width))
    given = compiler.process(element.clauses, **options)
    return f"(SELECT {columns} FROM jsonb_array_elements(CAST({given} AS jsonb)))"  # noqa: S608 - numbers


def matches(columns: Sequence[ColumnElement[Any]], keys: Sequence[Sequence[str]]) -> ColumnElement[bool]:
    """Return the condition that the text columns are one of `keys`: one statement for any number, by index seeks.

    Not `(a, b) IN (VALUES ...)`: for that SQLite reads the whole table.
    """
    rows = _keys(len(columns))(literal(encode([tuple(key) for key in keys]), Text))
    return tuple_(*columns).op("IN", return_type=Boolean())(rows)


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
