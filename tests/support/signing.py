"""A real record of a really signed image that passed, on SQLite, ready for its statement to be signed."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from preverify import pipeline
from preverify.model.reference import Reference, Repository
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.ports import Clock, Registry
from preverify.registry.layout import LayoutRegistry
from preverify.settings import Source
from preverify.signing.journal import Journal
from preverify.signing.keyfile import KeyFile
from preverify.signing.signatory import Signatory
from preverify.store import Store, open_store
from preverify.store import upgrade as schema
from support.clock import Stopped
from support.registries import FIXTURES
from support.statements import VERIFIER, new_key

POLICY = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: shop}
spec: {release: {key: {file: ec1.pub}, tlog: none}, other: {key: {file: ec2.pub}, tlog: none}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: signed}
spec:
  images: ["**"]
  validFor: 24h
  require: [{name: signed, signature: {by: {any: [release]}}}]
"""
FURTHER = """
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: further}
spec: {images: ["**"], require: [{name: signed-too, signature: {by: {any: [other]}}}]}
"""


@dataclass
class Desk:
    """Everything that the signing of one statement needs."""

    database: Path
    store: Store
    clock: Stopped
    key: KeyFile
    signatory: Signatory
    statement: str

    def sql(self, *statements: str) -> None:
        """Change rows as somebody who can write the database would, past every constraint."""
        connection = sqlite3.connect(self.database, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys=OFF")
            connection.execute("PRAGMA ignore_check_constraints=ON")
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")  # they keep our own mistakes out, not whoever owns the file
            for statement in statements:
                connection.execute(statement)
        finally:
            connection.close()

    def query(self, text: str) -> list[tuple[object, ...]]:
        """Read rows."""
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(text).fetchall()
        finally:
            connection.close()


def policies(text: str = POLICY) -> PolicySet:
    """Compile policy documents with the fixtures' keys."""
    return load([("policy.yaml", text.encode())], lambda name: (FIXTURES / "keys" / name).read_bytes())


def activate(store: Store, policy_set: PolicySet, clock: Stopped) -> int:
    """Put policies into force without deciding anything."""
    row = store.generations.stage(policy_set.document, policy_set.digest, now=clock.now())
    store.generations.activate(row.number, now=clock.now())
    return row.number


def record(
    store: Store,
    policy_set: PolicySet,
    clock: Clock,
    *,
    tag: str = "key-ec1",
    repo: str = "legacy",
    at: tuple[Registry, Reference] | None = None,
) -> str:
    """Look at an image of the fixtures, or `at` another place, and store what came of it; returns a statement's id."""
    layouts = Source(registry=f"oci:{FIXTURES}/layouts/acme", aliases=("registry.example",))
    here = LayoutRegistry(layouts, clock=clock), Reference(Repository("registry.example", repo), tag)
    registry, reference = at or here
    seen = pipeline.verify_reference(registry, policy_set, reference, clock=clock)
    recording = pipeline.settle(
        seen,
        pipeline.standings(store.history, store.statements, (seen.subject,))[seen.subject],
        policy_set,
        source="shop",
        cause="push",
        generation=1,
        clock=clock,
        publishing=True,
        renew_before=timedelta(days=3),
        tags=(tag,),
    )
    assert recording.publish, seen.verdicts
    store.history.record([recording], now=clock.now())
    with store.engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT id FROM statement ORDER BY rowid DESC LIMIT 1").scalar_one())


def open_desk(
    directory: Path,
    *,
    text: str = POLICY,
    journal: Path | None = None,
    also: Sequence[str] = (),
    at: tuple[Registry, Reference] | None = None,
) -> Desk:
    """Build a database with one passed image (and the tags `also`) and a signatory over it."""
    clock = Stopped()
    database = directory / "preverify.db"
    url = f"sqlite:///{database}"
    schema.upgrade(url)
    store = open_store(url, directory, clock)
    policy_set = policies(text)
    activate(store, policy_set, clock)
    for tag in also:
        record(store, policy_set, clock, tag=tag)
    statement = record(store, policy_set, clock, at=at)
    key = new_key(directory, seed=7)
    return Desk(database, store, clock, key, signatory(key, store, clock, journal), statement)


def signatory(key: KeyFile, store: Store, clock: Stopped, journal: Path | None = None, **more: str) -> Signatory:
    """Return a signatory over a store."""
    return Signatory(
        key,
        store,
        Journal(journal, key.derive(b"journal")),
        verifier_id=VERIFIER,
        validity=timedelta(days=7),
        clock=clock,
        **more,
    )
