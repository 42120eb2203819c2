"""Test results of in-toto."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed

NAME = "test-result"
TYPES: tuple[str, ...] = ("https://in-toto.io/attestation/test-result/v0.1",)

_MEMBERS = ("result", "configuration", "url", "passedTests", "warnedTests", "failedTests")
_RESULTS = ("PASSED", "WARNED", "FAILED")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return the result and the number of tests of each kind.

    Spec:
        in-toto attestation, predicate test-result v0.1, "Fields".
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", _MEMBERS)
    result = whole.required("result")
    if result not in _RESULTS:
        raise malformed(f"predicate.result is {result[:40]!r}, expected one of: {', '.join(_RESULTS)}")
    facts.decide("result", result)
    facts.tell("url", whole.text("url"))
    for kind in ("passed", "warned", "failed"):
        facts.decide(f"{kind}.count", len(whole.words(f"{kind}Tests")))
    return facts.done()
