"""What long documents say, kept read: a decision over stored findings parses no document again."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from preverify.model.contents import Content, Inventory, Scan, Vex
from preverify.model.reference import Subject
from preverify.store import tables as t
from preverify.store.codecs import subject_of
from preverify.store.sql import chunks, insert_new

_KINDS: Mapping[str, type[Inventory] | type[Scan] | type[Vex]] = {"inventory": Inventory, "scan": Scan, "vex": Vex}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_LEVEL = 1
_MAX_BYTES = 256 << 20


def store(
    connection: Connection,
    tenant: str,
    contents: Mapping[str, Content],
    packages: Mapping[str, Sequence[str]],
) -> None:
    """Keep contents by the digests of what says them, and which packages each names.

    Args:
        connection: Within the transaction that stores the findings.
        tenant: Whose.
        contents: By digest; the same digest always says the same.
        packages: For each content, the keys by which a database would look its components up.
    """
    insert_new(connection, t.content, [_row(tenant, name, content) for name, content in contents.items()])
    rows = [
        {"tenant": tenant, "package": package, "content": name}
        for name in contents
        for package in dict.fromkeys(packages.get(name, ()))
    ]
    insert_new(connection, t.component, rows)


def _row(tenant: str, name: str, content: Content) -> dict[str, Any]:
    body = zlib.compress(msgspec.json.encode(content), _LEVEL)
    return {"tenant": tenant, "id": name, "kind": _NAMES[type(content)], "body": body}


def load(connection: Connection, tenant: str, names: Iterable[str]) -> dict[str, Content]:
    """Return the contents that are kept; what is not there has to be read from its document again."""
    found: dict[str, Content] = {}
    c = t.content.c
    for part in chunks(set(names)):
        for row in connection.execute(select(c.id, c.kind, c.body).where(c.tenant == tenant, c.id.in_(part))):
            found[row.id] = msgspec.json.decode(_inflated(bytes(row.body)), type=_KINDS[row.kind])
    return found


def _inflated(body: bytes) -> bytes:
    """Return the content's bytes. Our own rows are bounded too: somebody may have written to the database."""
    reader = zlib.decompressobj()
    whole = reader.decompress(body, _MAX_BYTES)
    if reader.unconsumed_tail:
        raise ValueError(f"a stored content has more than {_MAX_BYTES} bytes")
    return whole


def naming(connection: Connection, tenant: str, packages: Iterable[str]) -> list[tuple[str, Subject]]:
    """Return source and subject of all whose current findings rest on a document that names one of these packages."""
    c, f, s = t.component.c, t.finding.c, t.subject.c
    found: dict[Subject, str] = {}
    for part in chunks(set(packages)):
        rows = connection.execute(
            select(s.registry, s.repository, s.digest, s.source)
            .select_from(
                t.component.join(t.finding, (f.tenant == c.tenant) & (f.statement == c.content)).join(
                    t.subject, (s.tenant == f.tenant) & (s.findings == f.id)
                )
            )
            .where(c.tenant == tenant, c.package.in_(part))
            .distinct()
        )
        found.update((subject_of(row), row.source) for row in rows)
    return [(source, subject) for subject, source in found.items()]
