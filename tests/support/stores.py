"""Stores for tests: both databases at this version's schema, and recordings as the pipeline makes them."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Flaw, Format, Gathered, Image, Place, Unobtained
from preverify.model.findings import Claim, Finding, Step
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.policy.policies import PolicySet
from preverify.ports import Recording
from preverify.store import Store, open_store
from preverify.store.upgrade import upgrade
from preverify.work import EmbeddedWork, open_work
from support.clock import Stopped
from support.policies import SIGNED, policy_set, policy_text
from support.postgres import postgres_server

__all__ = [
    "both",
    "clock",
    "open_again",
    "postgres_server",
    "postgres_template",
    "sqlite_template",
    "store",
    "url",
    "work",
]

NOW = datetime.fromisoformat("2026-01-02T10:00:00+00:00")
REPOSITORY = Repository("registry.example", "shop/api")
OTHER = Repository("registry.example", "shop/web")
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_numbers = itertools.count()
both = pytest.mark.parametrize("url", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> tuple[str, str]:
    return postgres_server, _template(postgres_server)


@cache
def _template(server: str) -> str:
    """Make the template once a process: each module that imports a session fixture has one of its own."""
    name = f"template_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    upgrade(_named(server, name))
    return name


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database; parametrize indirectly with `both` to run on each."""
    if getattr(request, "param", "sqlite") == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "preverify.db")
        yield f"sqlite:///{tmp_path / 'preverify.db'}"
        return
    server, template = request.getfixturevalue("postgres_template")
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield _named(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _named(server: str, name: str) -> str:
    parsed = make_url(server).set(drivername="postgresql+psycopg", database=name)
    return parsed.render_as_string(hide_password=False)


@pytest.fixture
def clock() -> Stopped:
    return Stopped(NOW)


@pytest.fixture
def store(url: str, tmp_path: Path, clock: Stopped) -> Iterator[Store]:
    opened = open_store(url, tmp_path, clock)
    yield opened
    opened.close()


@pytest.fixture
def work(store: Store) -> EmbeddedWork:
    return open_work(store)


@pytest.fixture
def open_again(url: str, tmp_path: Path, clock: Stopped) -> Iterator[Callable[..., Store]]:
    """Open the same database once more, as another process or tenant does."""
    opened: list[Store] = []

    def again(**options: object) -> Store:
        opened.append(open_store(url, tmp_path, clock, **options))
        return opened[-1]

    yield again
    for one in opened:
        one.close()


# --- values -----------------------------------------------------------------------------------------------------------


def subject(n: int = 1, repository: Repository = REPOSITORY) -> Subject:
    return Subject(repository, Digest.of(manifest(n)))


def manifest(n: int) -> bytes:
    return b'{"schemaVersion":2,"number":%d}' % n


def piece(n: int = 1, *, body: bytes | None = None, index: int = 0, flaw: Flaw | None = None) -> Evidence:
    content = (b'{"critical":%d}' % n) if body is None else body
    return Evidence(
        format=Format.COSIGN_SIGNATURE,
        manifest=Digest.of(b"signature manifest %d" % n),
        index=index,
        body=b"" if flaw else content,
        digest=Digest.of(content),
        media_type="application/vnd.dev.cosign.simplesigning.v1+json",
        annotations=(("dev.cosignproject.cosign/signature", "MEUC" + str(n)), ("z", ""), ("a", "\u00e4 \U0001f600")),
        place=Place.SIGNATURE_TAG,
        flaw=flaw,
    )


def gathered(
    n: int = 1,
    *,
    repository: Repository = REPOSITORY,
    evidence: tuple[Evidence, ...] | None = None,
    unobtained: tuple[Unobtained, ...] = (),
    children: tuple[Digest, ...] = (),
    fingerprint: str = "fp",
) -> Gathered:
    image = Image(subject=subject(n, repository), manifest=manifest(n), media_type=MANIFEST_TYPE, children=children)
    return Gathered(
        image=image,
        evidence=(piece(n),) if evidence is None else evidence,
        unobtained=unobtained,
        looked_at=("sig-tag: 1", "referrers-api: absent"),
        fingerprint=fingerprint,
        foreign_legacy=True,
        requests=4,
    )


def finding(n: int = 1, *, established: bool = True) -> Finding:
    return Finding(
        evidence=piece(n).id,
        format="cosign-signature",
        claim=Claim.SIGNATURE,
        step=Step.ESTABLISHED if established else Step.PARSED,
        reason=Reason.OK if established else Reason.WRONG_KEY,
        detail="" if established else "no configured key verifies it",
        signer="key:abc" if established else "",
        annotations=(("env", "prod"),),
        place="sig-tag",
    )


def verdict(
    identifier: str,
    n: int = 1,
    *,
    outcome: Outcome = Outcome.PASSED,
    policy: str = "shop-release",
    policy_digest: str = "sha256:p1",
    repository: Repository = REPOSITORY,
    at: datetime = NOW,
    valid: timedelta = timedelta(hours=24),
    due: timedelta | None = timedelta(hours=12),
) -> Verdict:
    passed = outcome is Outcome.PASSED
    reason = {Outcome.PASSED: Reason.OK, Outcome.FAILED: Reason.NO_SIGNATURE}.get(outcome, Reason.REGISTRY_UNAVAILABLE)
    return Verdict(
        id=identifier,
        subject=subject(n, repository),
        policy=policy,
        policy_digest=policy_digest,
        trust_epoch="keys-only",
        outcome=outcome,
        rules=(
            RuleResult(rule="signed", outcome=outcome, reason=reason, detail="why", evidence=(piece(n).id,)),
            RuleResult(rule="watched", outcome=Outcome.FAILED, reason=Reason.SBOM_MISSING, detail="", counted=False),
        ),
        decided_at=at,
        valid_until=at + valid if passed else None,
        due_at=None if due is None else at + due,
    )


def recording(n: int = 1, *verdicts: Verdict, repository: Repository = REPOSITORY, **changes: object) -> Recording:
    values: dict[str, object] = {
        "source": "shop",
        "subject": subject(n, repository),
        "gathered": gathered(n, repository=repository),
        "findings": (finding(n),),
        "verdicts": verdicts,
        "cause": "push",
        "generation": 1,
    }
    return Recording(**{**values, **changes})


def policies(name: str = "shop-release", **spec: str) -> PolicySet:
    return policy_set(policy_text(SIGNED, name=name, **spec))


def activate(store: Store, wanted: PolicySet, *, now: datetime = NOW) -> int:
    """Stage and activate a set; returns the number of the generation."""
    row = store.generations.stage(wanted.document, wanted.digest, now=now)
    store.generations.activate(row.number, now=now)
    return row.number
