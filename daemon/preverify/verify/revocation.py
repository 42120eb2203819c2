"""What revocation data a verification takes, before it is made: questions only about chains that are anchored."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from preverify.model.anchors import Action
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.revocation import Wanted
from preverify.verify.formats import notation_cose, notation_jws
from preverify.verify.notation.attributes import Envelope
from preverify.verify.notation.chains import Chain, check_signature, signing_chain
from preverify.verify.notation.steps import anchor_of, stamp_of, stamping_chain
from preverify.verify.refusal import Refused
from preverify.verify.revoked.chain import Answers, fresh_until, names_any, wanted_of
from preverify.verify.trusting import Trusting

__all__ = ["MAX_ROUNDS", "fresh_until", "wanted"]

MAX_ROUNDS = 4
"""Rounds of asking after which everything is asked: OCSP, lists, changes of lists, lists about responders."""

_READERS: Mapping[Format, Callable[[bytes], Envelope]] = {
    Format.NOTATION_JWS: notation_jws.read_envelope,
    Format.NOTATION_COSE: notation_cose.read_envelope,
}


def concerns(evidence: Iterable[Evidence]) -> bool:
    """Say whether any of it is of a format whose certificates can be revoked: of most images, nothing is."""
    return any(each.format in _READERS for each in evidence)


def wanted(
    evidence: Iterable[Evidence], image: Image, trusting: Trusting, *, asked: Collection[Wanted] = ()
) -> tuple[Wanted, ...]:
    """Return what to ask for next; each question once, none that was `asked`.

    Answers may lead to further questions. Ask until nothing is wanted, at most `MAX_ROUNDS` times, each time with all
    answers so far in `trusting` and all questions so far in `asked`, those without an answer included.

    The addresses come from certificates, so from whoever pushed the evidence: only those of chains that end in a trust
    store of a statement for this repository, below an intact signature, are returned. Where they lead is not known
    here; who asks has to judge the address.

    Args:
        evidence: All that was found beside the image; formats without certificates are left alone.
        image: The subject.
        trusting: As for the verification itself.
        asked: What was asked in earlier rounds.
    """
    answers = Answers(trusting.revocation)
    chains = dict.fromkeys(chain for each in evidence for chain in _chains(each, image, trusting))
    questions = (question for chain in chains for question in wanted_of(chain, answers, asked=asked, now=trusting.now))
    return tuple(dict.fromkeys(questions))


def _chains(evidence: Evidence, image: Image, trusting: Trusting) -> Iterator[Chain]:
    """Yield the anchored chains whose revocation some statement wants checked."""
    read = _READERS.get(evidence.format)
    if read is None or evidence.flaw is not None or not trusting.notation:
        return
    try:
        envelope = read(evidence.body)
        chain = signing_chain(envelope.chain)
        if envelope.timestamp is None and not names_any(chain):
            return  # by far the most: nothing could be wanted, and the signature is verified once, later
        check_signature(chain[0], envelope.algorithm, envelope.signature, envelope.signed)
    except (MalformedEvidence, Refused):
        return
    for anchor in trusting.notation:
        statement = anchor.statement_for(str(image.subject.repository))
        if statement is None or statement.skip:
            continue
        try:
            anchor_of(chain, envelope.attributes.scheme, statement, trusting.trust)
            if statement.revocation is not Action.SKIP:
                yield chain
            if statement.authentic_timestamp is not Action.SKIP:
                stamp = stamp_of(envelope, chain, statement, trusting)
                yield from () if stamp is None else (stamping_chain(stamp),)
        except Refused:
            continue
