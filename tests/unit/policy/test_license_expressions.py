"""Licence expressions, and lists of licences."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.policy.demands.license_expressions import MAX_DEPTH, Judged, check_entry, is_known, terms

D, U, A = Judged.DENIED, Judged.UNKNOWN, Judged.ALLOWED


def judged(*licenses: str, deny: Sequence[str] = (), allow: Sequence[str] | None = None) -> Judged:
    return terms(tuple(deny), None if allow is None else tuple(allow)).judge(licenses)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("MIT", A),
        ("mit", A),
        (" ( MIT ) ", A),
        ("GPL-3.0-only", D),
        ("MIT AND GPL-3.0-only", D),
        ("MIT OR GPL-3.0-only", A),
        ("mit or gpl-3.0-only", A),
        ("GPL-3.0-only OR MIT AND Apache-2.0", D),
        ("(GPL-3.0-only OR MIT) AND MIT", A),
        ("(GPL-3.0-only OR MIT) AND GPL-3.0-only", D),
        ("GPL-3.0-only AND MIT OR MIT", A),
        ("GPL-3.0-only AND (MIT OR MIT)", D),
        ("MIT AND Nonsense", U),
        ("MIT OR Nonsense", A),
        ("GPL-3.0-only OR Nonsense", U),
        ("GPL-3.0-only AND Nonsense", D),
        ("MIT WITH Classpath-exception-2.0", A),
        ("MIT WITH Commons-Clause", U),
        ("GPL-3.0-only WITH Classpath-exception-2.0", D),
        ("LicenseRef-Acme", U),
        ("DocumentRef-x:LicenseRef-Acme", U),
        ("NOASSERTION", U),
        ("NONE", U),
        ("", U),
        ("Apache License 2.0", U),
        ("MIT Or Apache-2.0", U),
        ("MIT/Apache-2.0", U),
        ("MIT AND", U),
        ("AND MIT", U),
        ("MIT MIT", U),
        ("MIT WITH", U),
        ("MIT WITH (", U),
        ("MIT WITH AND", U),
        ("(MIT", U),
        ("MIT)", U),
        ("()", U),
        ("MIT OR OR MIT", U),
    ],
)
def test_expressions_under_a_list_of_allowed_ones(text: str, seen: Judged) -> None:
    assert judged(text, allow=["MIT"]) is seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("MIT", A),
        ("AGPL-3.0-only", D),
        ("AGPL-3.0-or-later OR MIT", A),
        ("AGPL-3.0-or-later AND MIT", D),
        ("GPL-2.0", D),
        ("GPL-2.0-only", D),
        ("GPL-2.0-or-later", A),
        ("GPL-2.0+", A),
        ("GPL-2.0-with-classpath-exception", D),
        ("GPL-2.0-only WITH Classpath-exception-2.0", D),
        ("SSPL-1.0 WITH Classpath-exception-2.0", D),
        ("GPLv2", U),
        ("MIT WITH Commons-Clause", U),
        ("LicenseRef-Bad", D),
        ("LicenseRef-Other", U),
    ],
)
def test_expressions_under_a_list_of_denied_ones(text: str, seen: Judged) -> None:
    denied = ["AGPL-*", "GPL-2.0", "LicenseRef-Bad", "SSPL-1.0 WITH Classpath-exception-2.0"]
    assert judged(text, deny=denied) is seen


def test_all_licenses_of_a_component_apply() -> None:
    assert judged("MIT", "Apache-2.0", allow=["MIT", "Apache-2.0"]) is A
    assert judged("MIT", "Apache-2.0", allow=["MIT"]) is D
    assert judged("MIT", "NOASSERTION", allow=["MIT"]) is U
    assert judged(allow=["MIT"]) is U


def test_denied_goes_before_allowed_and_a_granted_exception_may_be_allowed_alone() -> None:
    exception = "GPL-2.0-only WITH Classpath-exception-2.0"
    assert judged("GPL-2.0-only", deny=["GPL-*"], allow=["GPL-2.0-only"]) is D
    assert judged(exception, deny=["GPL-*"], allow=[exception]) is A
    assert judged("GPL-2.0-only", deny=["GPL-*"], allow=[exception]) is D
    assert judged(exception, allow=["GPL-2.0-only"]) is A
    assert judged(exception, allow=["MIT"]) is D


def test_names_that_are_no_expressions_are_compared_as_a_whole() -> None:
    assert judged("Apache  License 2.0", allow=["Apache License 2.0"]) is A
    assert judged("Apache License 2.0 or MIT", allow=["Apache License 2.0"]) is U
    assert judged("GPLv2 OR MIT", allow=["GPLv2"]) is A


def test_stars_stand_for_a_part_of_one_licence_never_for_an_expression() -> None:
    assert judged("MIT AND GPL-3.0-only", allow=["MIT*"]) is D
    assert judged("MIT OR GPL-3.0-only", deny=["MIT*"]) is A


@pytest.mark.parametrize(
    "text", ["(" * (MAX_DEPTH + 1) + "MIT" + ")" * (MAX_DEPTH + 1), "MIT OR " * 400 + "MIT", "(" * 2000]
)
def test_what_is_too_deep_or_too_long_is_unknown(text: str) -> None:
    assert judged(text, allow=["MIT"]) is U


def test_deep_and_long_expressions_within_the_limits_are_read() -> None:
    assert judged("(" * MAX_DEPTH + "MIT" + ")" * MAX_DEPTH, allow=["MIT"]) is A
    assert judged("MIT OR " * 200 + "MIT", allow=["MIT"]) is A


Node = tuple[str, Judged]


def joined(operator: str, left: Node, right: Node) -> Node:
    """Write both with an operator between them; what comes of it is said here by its truth table."""
    seen = {left[1], right[1]}
    worst, best = (D, A) if operator == "AND" else (A, D)
    value = worst if worst in seen else U if U in seen else best
    return f"({left[0]} {operator} {right[0]})", value


leaves: st.SearchStrategy[Node] = st.sampled_from([("MIT", A), ("GPL-3.0-only", D), ("Nonsense", U)])
nodes = st.recursive(
    leaves, lambda inner: st.builds(joined, st.sampled_from(["AND", "OR"]), inner, inner), max_leaves=8
)


@given(nodes)
def test_alternatives_need_one_that_is_allowed_and_all_that_apply_have_to_be(node: Node) -> None:
    assert judged(node[0], allow=["MIT"]) is node[1]


@pytest.mark.parametrize(
    "text", ["MIT", "GPL-2.0", "GPL-2.0+", "AGPL-*", "MIT WITH Classpath-exception-2.0", "LicenseRef-a"]
)
def test_entries_that_may_be_denied(text: str) -> None:
    assert check_entry(text, free=False) == check_entry(text, free=True) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("GPLv2", "no licence that SPDX knows"),
        ("Apache License", "no licence that SPDX knows"),
        ("MIT WITH Commons-Clause", "no licence that SPDX knows"),
        ("MIT OR Apache-2.0", "is an expression"),
        ("", "is no licence"),
        (" ", "is no licence"),
        ("M" * 3000, "is no licence"),
        ("*", "no licence with stars"),
        ("**", "no licence with stars"),
        ("GPL **", "no licence with stars"),
        ("A **", "no licence with stars"),
        ("GPL-* OR MIT", "no licence with stars"),
    ],
)
def test_entries_that_may_not(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_entry(text, free=False)
    free = why == "no licence that SPDX knows"
    if free:
        assert check_entry(text, free=True) == text
    else:
        with pytest.raises(ValueError, match=why):
            check_entry(text, free=True)


def test_what_says_anything_of_its_licence() -> None:
    assert is_known(("Foo",))
    assert not is_known(())
    assert not is_known(("MIT", "NOASSERTION"))


@given(st.text(st.characters() | st.sampled_from("MIT GPL-2.0+()ANDORWITH"), max_size=60))
def test_any_text_is_judged(text: str) -> None:
    assert judged(text, allow=["MIT"]) in Judged
    assert judged(text, deny=["MIT", "GPL-*"]) in Judged
