"""`preverify verify REF`: verify now, with the daemon's own path, without a daemon."""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from preverify import pipeline, wiring
from preverify.admission.documents import answer_document
from preverify.clock import SystemClock
from preverify.commands.common import (
    ConfigOption,
    Output,
    OutputOption,
    answer_of,
    emit,
    exit_for,
    has_config,
    load_settings,
    table,
    why,
)
from preverify.model.errors import BadInput, MalformedEvidence, NotFound
from preverify.model.evidence import Gathered
from preverify.model.findings import Finding
from preverify.model.reference import Reference, Repository
from preverify.model.remedies import REMEDIES
from preverify.settings import Settings, Source, SourceTls
from preverify.worker import Watched

NAME = "verify"


class EvidenceDocument(TypedDict):
    """One piece of evidence as JSON has it."""

    evidence: str
    format: str
    place: str
    about: str | None
    establishes: str
    signer: str | None
    identity: str | None
    issuer: str | None
    certificateSays: dict[str, str]
    signedAt: list[str]
    restsOn: list[str]
    onlyLogged: list[str]
    holdsUntil: str | None
    predicateType: str | None
    predicateSays: dict[str, str]
    reason: str
    detail: str
    remedy: str | None


def command(
    reference: Annotated[
        str, typer.Argument(help="registry/repository[:tag][@digest], or oci:DIR[:TAG] for an OCI layout.")
    ],
    policy: Annotated[
        list[Path] | None,
        typer.Option("--policy", "-p", help="Policy file or directory, instead of the configured directory."),
    ] = None,
    config: ConfigOption = None,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Speak HTTP to a registry that is not configured.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="Allow private addresses for such a registry.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Resolve, gather, verify and decide one image; nothing is stored or published."""
    settings = load_settings(config) if has_config(config) else Settings()
    policies = wiring.read_policies(tuple(policy)) if policy else wiring.load_policies(settings)
    wanted, watched = source_of(settings, reference, plain_http=plain_http, private=private)
    try:
        revocations = wiring.open_revocations(settings, private=private)
        seen = pipeline.verify_reference(
            watched.registry,
            policies,
            wanted,
            clock=SystemClock(),
            revocations=revocations,
            scanner=wiring.open_scanner(settings),
            database=wiring.open_vulnerabilities(settings),
        )
    except NotFound as error:
        raise BadInput(f"{reference} is not in the registry: {error}") from error
    except MalformedEvidence as error:
        raise BadInput(f"{reference} cannot be verified: {error.reason.value}: {error.detail}") from error
    answer = answer_of(policies, seen.subject, seen.verdicts)
    document = {
        **answer_document(answer),
        "evidence": [evidence_document(f) for f in seen.findings],
        "lookedAt": seen.gathered.looked_at,
        "unobtained": unobtained_of(seen.gathered),
    }
    if output is Output.TABLE:
        print(f"{answer.state.value.upper()}  {seen.subject}\n  {why(answer)}")
    rows = [
        (p.policy, p.verdict, p.mode.value, "; ".join(f"{rule}: {code}: {detail}" for rule, code, detail in p.reasons))
        for p in answer.policies
    ]
    emit(document, output, table("POLICY", "VERDICT", "MODE", "WHY", rows=rows))
    raise typer.Exit(exit_for(answer))


def source_of(settings: Settings, text: str, *, plain_http: bool, private: bool) -> tuple[Reference, Watched]:
    """Return the reference under its source's own name, with the source that holds it.

    A registry that is no configured source (or alias of one) is asked without credentials.
    """
    if text.startswith("oci:"):
        directory, _, tag = text.removeprefix("oci:").partition(":")
        path = Path(directory).resolve()
        source = Source(registry=f"oci:{path.parent}", repositories=(path.name,))
        return Reference(Repository(source.registry, path.name), tag or "latest"), wiring.watch(
            "layout", source, settings
        )
    reference = Reference.parse(text)
    registry = reference.repository.registry
    for name, source in settings.sources.items():
        if registry in {source.registry, *source.aliases}:
            moved = Repository(source.registry, reference.repository.path)
            return Reference(moved, reference.tag, reference.digest), wiring.watch(name, source, settings)
    source = Source(registry=registry, network="private" if private else "public", tls=SourceTls(plain_http=plain_http))
    return reference, wiring.watch("command-line", source, settings)


def unobtained_of(gathered: Gathered) -> list[str]:
    """Return what could not be obtained of an image and of its children that were looked at, in words."""
    everything = (unobtained for each in (gathered, *gathered.children) for unobtained in each.unobtained)
    return [f"{u.reason.value}: {u.detail}" for u in everything]


def evidence_document(finding: Finding) -> EvidenceDocument:
    """Return what people and machines read of one piece of evidence: what it is, who made it, what it establishes."""
    signing = finding.signing
    return EvidenceDocument(
        evidence=finding.evidence,
        format=finding.format,
        place=finding.place,
        about=finding.about or None,
        establishes=finding.claim.value if finding.established else "nothing",
        signer=finding.signer or None,
        identity=(signing.identity or None) if signing is not None else None,
        issuer=(signing.issuer or None) if signing is not None else None,
        certificateSays=dict(signing.extensions) if signing is not None else {},
        signedAt=[f"{time.at.isoformat()} ({time.by})" for time in signing.times] if signing is not None else [],
        restsOn=list(signing.rests_on) if signing is not None else [],
        onlyLogged=list(signing.degraded) if signing is not None else [],
        holdsUntil=signing.until.isoformat() if signing is not None and signing.until is not None else None,
        predicateType=finding.predicate_type or None,
        predicateSays=dict(finding.predicate),
        reason=finding.reason.value,
        detail=finding.detail,
        remedy=REMEDIES.get(finding.reason),
    )


def who(document: EvidenceDocument) -> str:
    """Return in one line who made a piece of evidence; `-` where nobody is established."""
    if document["identity"]:
        return f"{document['identity']}" + (f" ({document['issuer']})" if document["issuer"] else "")
    return document["signer"] or "-"


def why_so(document: EvidenceDocument) -> str:
    """Return in one line what a piece of evidence establishes or why not, and what to do about it."""
    parts = [f"{document['reason']}: {document['detail']}"]
    parts += [f"signed {', '.join(document['signedAt'])}"] if document["signedAt"] else []
    parts += [f"only logged: {'; '.join(document['onlyLogged'])}"] if document["onlyLogged"] else []
    parts += [f"-> {document['remedy']}"] if document["remedy"] else []
    return "; ".join(parts)
