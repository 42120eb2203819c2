"""What the lookup file looks like, for its one writer and its readers. Derived data: an unknown form is made anew."""

from datetime import UTC, datetime, timedelta

import msgspec

from preverify.model.digest import Digest
from preverify.model.verdicts import PolicyAnswer

VERSION = 2
APPLICATION_ID = 0x70726576  # "prev": tells our file from any other SQLite database
EMPTY = -1

TABLES = """
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    heartbeat INTEGER
);
CREATE TABLE binding (
    generation INTEGER PRIMARY KEY,
    document BLOB NOT NULL
);
CREATE TABLE answer (
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL,
    registry TEXT NOT NULL,
    repository TEXT NOT NULL,
    policies BLOB NOT NULL,
    children BLOB,
    PRIMARY KEY (tenant, digest, registry, repository)
) WITHOUT ROWID;
CREATE TABLE via (
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL,
    registry TEXT NOT NULL,
    repository TEXT NOT NULL,
    parent BLOB NOT NULL,
    platforms BLOB NOT NULL,
    PRIMARY KEY (tenant, digest, registry, repository, parent)
) WITHOUT ROWID;
CREATE INDEX via_parent ON via (tenant, parent, registry, repository);
CREATE TABLE tag (
    tenant TEXT NOT NULL,
    registry TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (tenant, registry, repository, tag)
) WITHOUT ROWID;
CREATE INDEX tag_digest ON tag (tenant, digest, registry, repository);
"""
NO_POLICIES = b"[]"
"""The policies of a row without any verdict."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ALGORITHMS = {"sha256": b"\x01", "sha512": b"\x02"}
_NAMES = {code[0]: name for name, code in _ALGORITHMS.items()}
_DECODER = msgspec.json.Decoder(tuple[PolicyAnswer, ...])
_ENCODER = msgspec.json.Encoder()
_TEXTS = msgspec.json.Decoder(tuple[str, ...])


def pack_digest(digest: Digest) -> bytes:
    """Return a digest as a key: one byte for the algorithm, then the hash itself."""
    return _ALGORITHMS[digest.algorithm] + bytes.fromhex(digest.hex)


def unpack_digest(key: bytes) -> Digest:
    """Return the digest of a key."""
    return Digest(_NAMES[key[0]], key[1:].hex())


def pack_policies(policies: tuple[PolicyAnswer, ...]) -> bytes:
    """Return policies as a row holds them."""
    return _ENCODER.encode(policies)


def unpack_policies(data: bytes) -> tuple[PolicyAnswer, ...]:
    """Return the policies of a row.

    Raises:
        msgspec.DecodeError: the row is damaged.
    """
    return _DECODER.decode(data)


def pack_children(children: tuple[Digest, ...]) -> bytes | None:
    """Return children as a row holds them."""
    return _ENCODER.encode(tuple(map(str, children))) if children else None


def unpack_children(data: bytes | None) -> tuple[Digest, ...]:
    """Return the children of a row."""
    return () if data is None else tuple(Digest.parse(text) for text in _TEXTS.decode(data))


def pack_platforms(platforms: tuple[str, ...]) -> bytes:
    """Return for what a child stands in its index, as a row holds it."""
    return _ENCODER.encode(platforms)


def unpack_platforms(data: bytes) -> tuple[str, ...]:
    """Return for what a child stands in its index."""
    return _TEXTS.decode(data)


def pack_time(moment: datetime) -> int:
    """Return a time as whole microseconds."""
    return (moment - _EPOCH) // _MICROSECOND


def unpack_time(microseconds: int) -> datetime:
    """Return the time of a column."""
    return _EPOCH + microseconds * _MICROSECOND
