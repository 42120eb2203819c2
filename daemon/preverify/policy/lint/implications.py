"""What follows from what: whether an image that satisfies one rule certainly satisfies another."""

from preverify.model.needs import Need
from preverify.policy.demands.provenance import ProvenanceDemand
from preverify.policy.quorum import Quorum
from preverify.policy.rules import Rule
from preverify.policy.rules.attestation import AttestedBy
from preverify.policy.rules.combined import Not, Several
from preverify.policy.rules.signature import SignedBy


def implies(narrow: Rule, wide: Rule) -> bool:
    """Say whether `wide` certainly holds where `narrow` does. Where that takes thought, the answer is no."""
    if (narrow.KIND, narrow.canonical()) == (wide.KIND, wide.canonical()):
        return True
    if isinstance(narrow, SignedBy) and isinstance(wide, SignedBy):
        return (
            _by(narrow.by, wide.by)
            and {*wide.annotations} <= {*narrow.annotations}
            and wide.docker_reference in ("", narrow.docker_reference)
        )
    if isinstance(narrow, AttestedBy) and isinstance(wide, AttestedBy):
        return (
            _by(narrow.by, wide.by)
            and {*narrow.types} <= {*wide.types}
            and {*wide.predicate} <= {*narrow.predicate}
            and _provenance(narrow.provenance, wide.provenance)
            and wide.summary in (None, narrow.summary)
        )
    # Of as many as have to hold at least one is among those that imply it.
    if isinstance(narrow, Several) and sum(implies(each, wide) for each in narrow.of) > len(narrow.of) - narrow.needed:
        return True
    if isinstance(wide, Several):
        return sum(implies(narrow, each) for each in wide.of) >= wide.needed
    return False


def contradicts(one: Rule, other: Rule) -> bool:
    """Say whether the two can certainly never hold together."""
    return (isinstance(one, Not) and implies(other, one.of)) or (isinstance(other, Not) and implies(one, other.of))


def needs_signed(rule: Rule) -> bool:
    """Say whether the rule holds only where somebody signed something about the image."""
    if isinstance(rule, Not):
        return False
    if isinstance(rule, Several):
        return sum(not needs_signed(each) for each in rule.of) < rule.needed
    if isinstance(rule, SignedBy | AttestedBy):
        return True
    # What our scanner finds in an image nobody signed. Expressions are given the benefit of the doubt.
    return bool(rule.quorums) and Need.SCANNER not in rule.needs


def _by(narrow: Quorum, wide: Quorum) -> bool:
    # What a trust policy of level `skip` lets pass is signed by nobody, so that only the same signers are compared.
    return wide.needed <= narrow.needed and {s.name for s in narrow.signers} <= {s.name for s in wide.signers}


def _provenance(narrow: ProvenanceDemand | None, wide: ProvenanceDemand | None) -> bool:
    return wide is None or wide == narrow
