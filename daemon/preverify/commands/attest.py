"""`preverify attest`: what we signed about an image, and whether what is attached to it may be relied on."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify import wiring
from preverify.attest.check import Checked, Wanted, check
from preverify.attest.envelope import parse
from preverify.clock import SystemClock
from preverify.commands.common import (
    ConfigOption,
    Exit,
    Output,
    OutputOption,
    emit,
    has_config,
    load_settings,
    short,
    table,
)
from preverify.commands.explain import find
from preverify.commands.verify import source_of
from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.durations import parse_duration
from preverify.model.errors import BadInput, MalformedEvidence, NotFound
from preverify.model.evidence import Evidence, Format, Image, Unobtained
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository, Subject
from preverify.policy.keys import read_public_key
from preverify.ports import Registry, StoredStatement
from preverify.registry import open_source
from preverify.settings import Settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_MAX_KEY_BYTES = 64 * 1024
_NOT_A_STATEMENT = frozenset({Reason.PREDICATE_TYPE_MISMATCH, Reason.PAYLOAD_TYPE_MISMATCH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What is attached to one image, each piece checked as a statement."""

    subject: Subject
    checked: tuple[tuple[Evidence, Checked], ...]
    unobtained: tuple[Unobtained, ...]

    @property
    def exit(self) -> Exit:
        """Return 0 where one statement holds, 3 where none does and not everything could be read."""
        if any(found.holds for _, found in self.checked):
            return Exit.VERIFIED
        return Exit.UNDECIDED if self.unobtained else Exit.NOT_VERIFIED


@app.command("show")
def show(
    reference: Annotated[str, typer.Argument(help="A digest, or registry/repository:tag or @digest.")],
    config: ConfigOption = None,
    dsse: Annotated[
        bool, typer.Option("--dsse", help="Print the newest signed envelope as it is, for tools that read a file.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the statements that we signed about an image, from the record."""
    settings = load_settings(config)
    store = wiring.open_records(settings).store
    live = [s for known in find(settings, store.history, reference) for s in store.statements.live(known.subject)]
    if not live:
        raise BadInput(f"no statement of ours about {reference} is attached or under way")
    if dsse:
        print(_newest(live, reference).decode(), end="")
        return
    documents = [statement_document(s) for s in live]
    rows = [
        (s.id, s.state, s.profile, short(str(s.subject.digest)), ", ".join(s.layouts) or "-", s.valid_until, s.detail)
        for s in live
    ]
    heads = ("STATEMENT", "STATE", "PROFILE", "DIGEST", "ATTACHED AS", "VALID UNTIL", "DETAIL")
    document = {"apiVersion": "preverify/v1", "kind": "Statements", "statements": documents}
    emit(document, output, table(*heads, rows=rows))


@app.command("verify")
def verify(
    reference: Annotated[str, typer.Argument(help="registry/repository[:tag][@digest], or oci:DIR[:TAG].")],
    key: Annotated[list[Path], typer.Option("--key", "-k", help="PEM public key of the verifier; may be repeated.")],
    config: ConfigOption = None,
    verifier_id: Annotated[str | None, typer.Option("--verifier-id", help="URI of the verifier.")] = None,
    policy_digest: Annotated[
        str | None, typer.Option("--policy-digest", help="Digest of the profile that must have been passed.")
    ] = None,
    max_age: Annotated[str | None, typer.Option("--max-age", help="How old the verification may be, like 24h.")] = None,
    level: Annotated[int | None, typer.Option("--level", min=0, max=3, help="Least SLSA build level.")] = None,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Speak HTTP to a registry that is not configured.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="Allow private addresses for such a registry.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check the statements attached to an image as their consumer has to; no daemon and no record take part."""
    settings = load_settings(config) if has_config(config) else Settings()
    try:
        age = parse_duration(max_age) if max_age is not None else None
    except ValueError as error:
        raise BadInput(f"--max-age: {error}") from error
    named, watched = source_of(settings, reference, plain_http=plain_http, private=private)
    # Without keys of our own, so that statements of ours are read like everybody else's.
    registry = open_source(watched.name, watched.settings, clock=SystemClock(), own_keys=())
    image = resolve(registry, named)
    wanted = Wanted(
        subject=image.subject,
        keys=read_keys(key),
        verifier_id=verifier_id,
        policy_digest=Digest.parse(policy_digest) if policy_digest is not None else None,
        max_age=age,
        level=level,
    )
    found = attached(
        registry, image, wanted, detached=watched.settings.publish.detached_repository, now=SystemClock().now()
    )
    _print(found, output)
    raise typer.Exit(found.exit)


def resolve(registry: Registry, reference: Reference) -> Image:
    """Fetch what a reference names; with a digest, the tag is only a name.

    Raises:
        BadInput: there is no such image, or it is none.
    """
    try:
        if reference.digest is not None:
            return registry.fetch(Subject(reference.repository, reference.digest))
        return registry.resolve(reference.repository, reference.tag or "latest")
    except NotFound as error:
        raise BadInput(f"{reference} is not in the registry: {error}") from error
    except MalformedEvidence as error:
        raise BadInput(f"{reference} is no image: {error.reason.value}: {error.detail}") from error


def attached(registry: Registry, image: Image, wanted: Wanted, *, detached: str | None, now: datetime) -> Attached:
    """Read everything beside an image (and in the repository for detached statements) and check what is a statement."""
    gathered = [registry.gather(image)]
    if detached is not None:
        there = Subject(Repository(image.subject.repository.registry, detached), image.subject.digest)
        gathered.append(registry.gather(replace(image, subject=there)))
    evidence = [e for g in gathered for e in g.evidence if e.format is not Format.COSIGN_SIGNATURE and e.flaw is None]
    checked = [(e, check(e.body, wanted, now=now)) for e in evidence]
    return Attached(
        subject=image.subject,
        checked=tuple((e, c) for e, c in checked if c.reason not in _NOT_A_STATEMENT),
        unobtained=tuple(u for g in gathered for u in g.unobtained),
    )


def read_keys(paths: Sequence[Path]) -> tuple[TrustedKey, ...]:
    """Read public keys.

    Raises:
        BadInput: a file that cannot be read or holds no public key.
    """
    keys = []
    for path in paths:
        try:
            with path.open("rb") as file:
                keys.append(read_public_key(file.read(_MAX_KEY_BYTES)))
        except OSError as error:
            raise BadInput(f"--key {path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise BadInput(f"--key {path}: {error}") from error
    return tuple(keys)


def statement_document(statement: StoredStatement) -> dict[str, Any]:
    """Return what people and machines read of one stored statement."""
    return {
        "id": statement.id,
        "source": statement.source,
        "subject": str(statement.subject),
        "profile": statement.profile,
        "state": statement.state,
        "verdicts": list(statement.verdicts),
        "keyId": statement.key_id or None,
        "layouts": [layout.value for layout in statement.layouts],
        "manifests": list(statement.manifests),
        "validUntil": statement.valid_until.isoformat() if statement.valid_until else None,
        "detail": statement.detail,
        "statement": _payload(statement.envelope),
        "envelope": base64.b64encode(statement.envelope).decode() or None,
    }


def _payload(envelope: bytes) -> object:
    return strict_json.parse(parse(envelope).payload, max_bytes=len(envelope)) if envelope else None


def _newest(live: Sequence[StoredStatement], reference: str) -> bytes:
    signed = [s for s in live if s.envelope]
    if not signed:
        raise BadInput(f"the statement about {reference} is not signed yet")
    if len({s.subject for s in signed}) > 1:
        raise BadInput(f"{reference} names images in several repositories, expected registry/repository@digest")
    return signed[-1].envelope


def _print(found: Attached, output: Output) -> None:
    document = {
        "apiVersion": "preverify/v1",
        "kind": "Attached",
        "subject": str(found.subject),
        "holds": found.exit is Exit.VERIFIED,
        "statements": [
            {
                "manifest": str(e.manifest),
                "place": e.place.value,
                "holds": c.holds,
                "reason": c.reason.value,
                "detail": c.detail,
                "key": c.key_id or None,
                "verifier": c.verifier_id or None,
                "timeVerified": c.time_verified.isoformat() if c.time_verified else None,
                "validUntil": c.valid_until.isoformat() if c.valid_until else None,
                "policies": dict(c.policies),
            }
            for e, c in found.checked
        ],
        "unobtained": [f"{u.reason.value}: {u.detail}" for u in found.unobtained],
    }
    rows = [
        (short(str(e.manifest)), e.place.value, "yes" if c.holds else "no", f"{c.reason.value}: {c.detail}")
        for e, c in found.checked
    ]
    if output is Output.TABLE:
        print(f"{'HOLDS' if found.exit is Exit.VERIFIED else 'DOES NOT HOLD'}  {found.subject}")
    emit(document, output, table("MANIFEST", "WHERE", "HOLDS", "WHY", rows=rows))
