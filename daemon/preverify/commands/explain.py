"""`preverify explain REF`: each piece of evidence, what it establishes or why not, and what the policies made of it."""

from typing import Annotated, TypedDict

import typer

from preverify import wiring
from preverify.commands.common import ConfigOption, Exit, Output, OutputOption, emit, load_settings, short, table
from preverify.commands.verify import EvidenceDocument, evidence_document, unobtained_of, who, why_so
from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.reference import Reference
from preverify.model.verdicts import Verdict
from preverify.ports import History, KnownSubject
from preverify.settings import Settings

NAME = "explain"


class Explained(TypedDict):
    """What is recorded about one subject."""

    subject: str
    source: str
    tags: tuple[str, ...]
    lookedAt: tuple[str, ...]
    unobtained: list[str]
    evidence: list[EvidenceDocument]
    verdicts: list[dict[str, object]]


def command(
    subject: Annotated[str, typer.Argument(help="A digest, or registry/repository:tag or @digest.")],
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say from the stored record why an image is answered as it is."""
    settings = load_settings(config)
    history = wiring.open_records(settings).store.history
    explained = [explain(history, known) for known in find(settings, history, subject)]
    if not explained:
        raise BadInput(
            f"nothing is recorded about {subject}; run `preverify verify` to look now, or wait for the next sweep"
        )
    if output is Output.TABLE:
        for one in explained:
            _print(one)
    else:
        emit({"apiVersion": "preverify/v1", "kind": "Explanation", "subjects": explained}, output)
    raise typer.Exit(Exit.VERIFIED)


def find(settings: Settings, history: History, text: str) -> list[KnownSubject]:
    """Return the known subjects that a digest or reference means; a tag means what it named when last observed."""
    if text.startswith(("sha256:", "sha512:")):
        return list(history.find(Digest.parse(text)))
    reference = Reference.parse(text)
    found = []
    for name, source in settings.sources.items():
        if reference.repository.registry not in {source.registry, *source.aliases}:
            continue
        for known in history.subjects(source=name):
            if known.subject.repository.path != reference.repository.path:
                continue
            by_digest = reference.digest is not None and known.subject.digest == reference.digest
            if by_digest or (reference.digest is None and reference.tag in known.tags):
                found.append(known)
    return found


def explain(history: History, known: KnownSubject) -> Explained:
    """Read everything that is recorded about one subject."""
    gathered = history.gathered(known.subject)
    return Explained(
        subject=str(known.subject),
        source=known.source,
        tags=known.tags,
        lookedAt=gathered.looked_at if gathered is not None else (),
        unobtained=[] if gathered is None else unobtained_of(gathered),
        evidence=[evidence_document(finding) for finding in history.findings(known.subject)],
        verdicts=[verdict_document(verdict) for verdict in history.current(known.subject)],
    )


def verdict_document(verdict: Verdict) -> dict[str, object]:
    """Return what people and machines read of one verdict."""
    return {
        "id": verdict.id,
        "policy": verdict.policy,
        "policyDigest": verdict.policy_digest,
        "verdict": verdict.outcome.value,
        "decidedAt": verdict.decided_at.isoformat(),
        "validUntil": verdict.valid_until.isoformat() if verdict.valid_until else None,
        "rules": [
            {
                "rule": r.rule,
                "verdict": r.outcome.value,
                "code": r.reason.value,
                "detail": r.detail,
                "counted": r.counted,
            }
            for r in verdict.rules
        ],
    }


def _print(one: Explained) -> None:
    print(f"{one['subject']}  (source {one['source']}, tags: {', '.join(one['tags']) or 'none'})")
    rows = [
        (
            short(e["evidence"]),
            e["format"] + (f" of {short(e['about'])}" if e["about"] else ""),
            e["place"],
            e["establishes"] + (f" {e['predicateType']}" if e["establishes"] == "attestation" else ""),
            who(e),
            why_so(e),
        )
        for e in one["evidence"]
    ]
    emit(None, Output.TABLE, table("EVIDENCE", "FORMAT", "WHERE", "ESTABLISHES", "SIGNER", "WHY", rows=rows))
    lines: list[tuple[object, ...]] = []
    for verdict in one["verdicts"]:
        rules = verdict["rules"]
        if isinstance(rules, list):
            lines += [(verdict["policy"], verdict["verdict"], r["rule"], r["code"], r["detail"]) for r in rules]
    emit(None, Output.TABLE, table("POLICY", "VERDICT", "RULE", "REASON", "DETAIL", rows=lines))
    print("looked at: " + "; ".join((*one["lookedAt"], *one["unobtained"])) + "\n")
