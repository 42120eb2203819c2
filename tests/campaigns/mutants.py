"""Small changes to a piece of evidence: turned bits, bytes cut out or put in, and edits that keep the form intact."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from campaigns.byte_edits import BYTE_EDITS, Chance
from campaigns.cose_edits import COSE_EDITS
from campaigns.json_edits import JSON_EDITS
from campaigns.parts import CERTIFICATE_KEY, LOG_KEY, SIGNATURE_KEY, STAMP_KEY, cose_of, with_annotation, with_body
from campaigns.spans import spans_of
from preverify.model.evidence import Evidence, Format

_READ = ("body", SIGNATURE_KEY, CERTIFICATE_KEY, LOG_KEY, STAMP_KEY)
"""Texts that some reader believes: each byte of them is as likely to be changed as another."""
_FEW = 64
"""Weight of any other annotation. None is read, and half a megabyte of filler shows that as well as some bytes do."""
_JSON_BODIES = (Format.SIGSTORE_BUNDLE, Format.COSIGN_ATTESTATION, Format.NOTATION_JWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed piece of evidence, and in a word what was done to it."""

    edit: str
    evidence: Evidence


def mutants(evidence: Evidence, count: int, chance: Chance) -> Iterator[Mutant]:
    """Yield `count` mutants, none equal to the original: changes of bytes, and edits of the structure."""
    while count > 0:
        made = one_mutant(evidence, chance)
        if made is not None and made.evidence != evidence:
            yield made
            count -= 1


def one_mutant(evidence: Evidence, chance: Chance) -> Mutant | None:
    """Return one mutant; None where the edit that was drawn has nothing to work on here."""
    texts = _texts(evidence)
    weights = [1 + (len(text) if name in _READ else min(len(text), _FEW)) for name, text in texts.items()]
    where = chance.choices(list(texts), weights=weights)[0]
    if chance.random() < 0.7:
        edit = chance.choice(BYTE_EDITS)
        return Mutant(edit=f"{edit.__name__} in {where}", evidence=_put(evidence, where, edit(texts[where], chance)))
    return _structural(evidence, where, texts[where], chance)


def _structural(evidence: Evidence, where: str, data: bytes, chance: Chance) -> Mutant | None:
    if where == "body" and evidence.format is Format.NOTATION_COSE:
        edit = chance.choice(COSE_EDITS)
        message = cose_of(data)
        changed = None if message is None else edit(message, chance)
        return (
            None
            if changed is None
            else Mutant(edit=f"{edit.__name__} in {where}", evidence=_put(evidence, where, changed))
        )
    spans = spans_of(data) if _is_json(evidence, where) else None
    if spans is None:
        if where == "body" or chance.random() < 0.8:
            return None
        return Mutant(edit=f"without {where}", evidence=with_annotation(evidence, where, None))
    text_edit = chance.choice(JSON_EDITS)
    text = text_edit(spans, chance)
    if text is None:
        return None
    return Mutant(
        edit=f"{text_edit.__name__} in {where}", evidence=_put(evidence, where, text.encode("utf-8", "surrogatepass"))
    )


def _texts(evidence: Evidence) -> Mapping[str, bytes]:
    """Return the body and every annotation as bytes, by name."""
    return {"body": evidence.body, **{key: text.encode() for key, text in evidence.annotations}}


def _put(evidence: Evidence, where: str, data: bytes) -> Evidence:
    if where == "body":
        return with_body(evidence, data)
    return with_annotation(evidence, where, data.decode("utf-8", "replace"))


def _is_json(evidence: Evidence, where: str) -> bool:
    return where in (LOG_KEY, STAMP_KEY) or (where == "body" and evidence.format in _JSON_BODIES)


def stacked(evidence: Evidence, others: Sequence[Evidence], chance: Chance) -> Evidence:
    """Return evidence after several edits on top of each other, now and then with the body of another piece."""
    made = evidence
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        if others and chance.random() < 0.05:
            made = replace(made, annotations=chance.choice(others).annotations)
        elif others and chance.random() < 0.05:
            made = with_body(made, chance.choice(others).body)
        elif (mutant := one_mutant(made, chance)) is not None:
            made = mutant.evidence
    return made
