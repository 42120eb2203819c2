"""Rows to values and back. Gatherings and sets of findings are named by content: repeating one adds nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from preverify.model.digest import Digest
from preverify.model.evidence import Gathered, Unobtained
from preverify.model.findings import Claim, Finding, Signing, Step
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.store.columns import decode, encode
from preverify.store.sql import AnyRow


def subject_key(tenant: str, subject: Subject) -> dict[str, str]:
    """Return the four key columns of a subject."""
    return {
        "tenant": tenant,
        "registry": subject.repository.registry,
        "repository": subject.repository.path,
        "digest": str(subject.digest),
    }


def keys_of(tenant: str, subjects: Iterable[Subject]) -> list[tuple[str, ...]]:
    """Return the keys of subjects, for `sql.matches`."""
    return [tuple(subject_key(tenant, subject).values()) for subject in subjects]


def subject_of(row: AnyRow) -> Subject:
    """Return the subject that a row's key columns name."""
    return Subject(Repository(row.registry, row.repository), Digest.parse(row.digest))


# --- gatherings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Packed:
    """A gathering without its bytes: the bytes lie in `evidence` by their digests."""

    id: str
    document: str
    bodies: Mapping[Digest, bytes]


def pack(gathered: Gathered) -> Packed:
    """Take a gathering apart. What it cost and which tags led to it are not part of its name."""
    bodies = {item.digest: item.body for item in gathered.everything if item.flaw is None}
    for one in (gathered, *gathered.children):
        if one.held:
            bodies[one.image.subject.digest] = one.image.manifest
        if one.config is not None and one.config.flaw is None:
            bodies[one.config.digest] = one.config.body
    document = encode(_bare(gathered))
    return Packed(_id(document), document, bodies)


def gathering_id(gathered: Gathered) -> str:
    """Return the id under which a gathering is stored, with its bytes or without."""
    return _id(encode(_bare(gathered)))


def _id(document: str) -> str:
    return "g_" + Digest.of(document.encode()).hex


def _bare(gathered: Gathered) -> Gathered:
    return replace(
        gathered,
        image=replace(gathered.image, manifest=b""),
        evidence=tuple(replace(item, body=b"") for item in gathered.evidence),
        config=None if gathered.config is None else replace(gathered.config, body=b""),
        requests=0,
        tags=(),
        children=tuple(_bare(child) for child in gathered.children),
    )


def unpack(document: str) -> Gathered:
    """Return the gathering without its bytes."""
    return decode(document, Gathered)


def digests_of(bare: Gathered) -> list[Digest]:
    """Return the digests of the bytes that a gathering consists of."""
    wanted = [one.image.subject.digest for one in (bare, *bare.children) if one.held]
    return wanted + [item.digest for item in bare.everything if item.flaw is None] + configs_of(bare)


def configs_of(bare: Gathered) -> list[Digest]:
    """Return the digests of the configurations that a gathering holds."""
    configs = (one.config for one in (bare, *bare.children))
    return [config.digest for config in configs if config is not None and config.flaw is None]


def filled(bare: Gathered, bodies: Mapping[Digest, bytes]) -> Gathered:
    """Put the bytes back. What is lost is `unobtained`: undecided, never passed, and gathered again."""
    manifest = bodies.get(bare.image.subject.digest, b"")
    lost = () if manifest or not bare.held else (_lost("manifest", bare.image.subject.digest),)
    bare = _configured(bare, bodies)
    return replace(
        bare,
        image=replace(bare.image, manifest=manifest, media_type=bare.image.media_type if manifest else ""),
        evidence=tuple(
            item if item.flaw is not None else replace(item, body=bodies[item.digest])
            for item in bare.evidence
            if item.flaw is not None or item.digest in bodies
        ),
        unobtained=(
            *bare.unobtained,
            *lost,
            *(_lost("evidence", i.digest) for i in bare.evidence if i.flaw is None and i.digest not in bodies),
        ),
        children=tuple(filled(child, bodies) for child in bare.children),
    )


def with_configs(bare: Gathered, bodies: Mapping[Digest, bytes]) -> Gathered:
    """Put back the bytes of configurations alone, those of children too."""
    children = tuple(with_configs(child, bodies) for child in bare.children)
    return _configured(replace(bare, children=children), bodies)


def _configured(bare: Gathered, bodies: Mapping[Digest, bytes]) -> Gathered:
    config = bare.config
    if config is None or config.flaw is not None:
        return bare
    body = bodies.get(config.digest)
    if body is None:
        lost = _lost("configuration", config.digest)
        return replace(bare, config=None, unobtained=(*bare.unobtained, lost))
    return replace(bare, config=replace(config, body=body))


def _lost(what: str, digest: Digest) -> Unobtained:
    return Unobtained(
        what=f"stored {what} {digest}",
        reason=Reason.INTERNAL_ERROR,
        detail=f"stored bytes of {digest} are lost or do not have their digest; gather them again",
    )


# --- findings ---------------------------------------------------------------------------------------------------------


def findings_id(subject: Subject, findings: Sequence[Finding]) -> str:
    """Name a set of findings about a subject by its content."""
    return "f_" + Digest.of(encode((str(subject), findings)).encode()).hex


def finding_rows(key: Mapping[str, str], set_id: str, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return one row for each finding of a set."""
    return [
        {
            **key,
            "id": set_id,
            "position": position,
            "evidence": f.evidence,
            "format": f.format,
            "claim": f.claim.value,
            "step": int(f.step),
            "reason": f.reason.value,
            "detail": f.detail,
            "signer": f.signer,
            "predicate_type": f.predicate_type,
            "annotations": encode(f.annotations),
            "statement": f.statement,
            "place": f.place,
            "signing": None if f.signing is None else encode(f.signing),
            "predicate": encode(f.predicate) if f.predicate else None,
            "about": f.about or None,
        }
        for position, f in enumerate(findings)
    ]


def finding_of(row: AnyRow) -> Finding:
    """Return the finding that a row holds."""
    return Finding(
        evidence=row.evidence,
        format=row.format,
        claim=Claim(row.claim),
        step=Step(row.step),
        reason=Reason(row.reason),
        detail=row.detail,
        signer=row.signer,
        predicate_type=row.predicate_type,
        annotations=decode(row.annotations, tuple[tuple[str, str], ...]),
        statement=row.statement,
        place=row.place,
        signing=None if row.signing is None else decode(row.signing, Signing),
        predicate=() if row.predicate is None else decode(row.predicate, tuple[tuple[str, str], ...]),
        about=row.about or "",
    )


# --- verdicts ---------------------------------------------------------------------------------------------------------


def verdict_of(row: AnyRow) -> Verdict:
    """Return the verdict that a row holds."""
    return Verdict(
        id=row.id,
        subject=subject_of(row),
        policy=row.policy,
        policy_digest=row.policy_digest,
        trust_epoch=row.trust_epoch,
        outcome=Outcome(row.outcome),
        rules=decode(row.rules, tuple[RuleResult, ...]),
        decided_at=row.decided_at,
        valid_until=row.valid_until,
        due_at=row.due_at,
    )
