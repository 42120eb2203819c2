"""Whom a certificate names: exactly one signer, in no two ways."""

import doctest
from ipaddress import ip_address

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from preverify.model import fulcio as names
from preverify.model.reasons import Reason
from preverify.verify.certificates import fulcio
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.certificates.fulcio import MAX_TEXT, Identity, identity_of, signer_id
from preverify.verify.refusal import Refused
from support import pki
from support.real_certificates import recorded

ROOT = pki.root()
WORKFLOW = "https://github.test/o/r/.github/workflows/x.yml@refs/heads/main"
GITHUB = "https://token.actions.githubusercontent.com"


def identity(*extensions: pki.Marked, san: pki.Marked | None = None) -> Identity:
    named = pki.uri_san(WORKFLOW) if san is None else san
    return identity_of(parse_certificate(ROOT.issue("", (*pki.CODE_LEAF, named, *extensions)).der))


def refused(detail: str, *extensions: pki.Marked, san: pki.Marked | None = None) -> None:
    with pytest.raises(Refused) as caught:
        identity(*extensions, san=san)
    assert caught.value.reason is Reason.CERTIFICATE_INVALID
    assert detail in caught.value.detail
    assert len(caught.value.detail) <= 250
    assert caught.value.detail.isprintable()


def extension(number: int, value: bytes) -> pki.Marked:
    return (pki.raw(f"{names.PREFIX}{number}", value), False)


# --- accepted ---


def test_the_examples_hold() -> None:
    assert doctest.testmod(fulcio).failed == 0


def test_a_real_workflow() -> None:
    found = identity_of(parse_certificate(recorded("public-good").leaf))
    repository = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon"
    assert found.subject == f"{repository}/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
    assert found.issuer == GITHUB
    facts = dict(found.extensions)
    assert (facts["sourceRepositoryURI"], facts["runnerEnvironment"]) == (repository, "github-hosted")
    assert facts["githubWorkflowRepository"] == repository.removeprefix("https://github.com/")
    assert list(found.extensions) == sorted(found.extensions)
    assert len(facts) == 19
    assert facts.keys() == names.NAMES
    assert found.id == signer_id(found.issuer, found.subject)


def test_a_real_certificate_with_the_old_issuer_alone() -> None:
    found = identity_of(parse_certificate(recorded("custom-root").leaf))
    assert (found.issuer, found.extensions) == (GITHUB, ())


def test_addresses_keep_their_case() -> None:
    found = identity(*pki.fulcio(), san=pki.email_san("Dev@Example.TEST"))
    assert (found.subject, found.issuer) == ("Dev@Example.TEST", "https://issuer.test")


def test_user_names_are_decoded() -> None:
    assert identity(*pki.fulcio(), san=pki.username_san(pki.utf8("jörg!host.test"))).subject == "jörg!host.test"


def test_an_own_authority_may_name_no_issuer() -> None:
    assert identity() == Identity(subject=WORKFLOW, issuer="", extensions=())


def test_both_forms_of_a_fact_may_stand_where_they_agree() -> None:
    both = {
        "_1": "https://issuer.test",
        "_2": "push",
        "_20": "push",
        "_3": "abc",
        "_13": "abc",
        "_6": "refs/x",
        "_14": "refs/x",
    }
    found = identity(*pki.fulcio(**both, _5="o/r", _12="https://github.test/o/r"))
    assert found.issuer == "https://issuer.test"
    assert dict(found.extensions)["githubWorkflowRepository"] == "o/r"


@pytest.mark.parametrize("number", [*names.EXTENSIONS, *names.LEGACY])
def test_every_fact_has_its_name(number: int) -> None:
    """And takes no other form than its own."""
    known = {**names.EXTENSIONS, **names.LEGACY}
    value = pki.utf8("a fact") if number in names.EXTENSIONS else b"a fact"
    assert identity(extension(number, value)).extensions == ((known[number], "a fact"),)


def test_unknown_facts_are_left_alone() -> None:
    assert identity(extension(99, b"\xff")).extensions == ()


# --- refused ---


def test_exactly_one_name() -> None:
    uri = x509.UniformResourceIdentifier
    refused(
        "2 subject alternative names", san=(x509.SubjectAlternativeName([uri("https://a"), uri("https://b")]), True)
    )
    with pytest.raises(Refused, match="0 subject alternative names"):
        identity_of(parse_certificate(ROOT.issue("dev@example.test", pki.CODE_LEAF).der))


@pytest.mark.parametrize(
    ("general", "detail"),
    [
        (x509.DNSName("example.test"), "kind DNSName"),
        (x509.IPAddress(ip_address("127.0.0.1")), "kind IPAddress"),
        (x509.DirectoryName(pki.name("x")), "kind DirectoryName"),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), "kind RegisteredID"),
        (x509.OtherName(x509.ObjectIdentifier("1.2.3"), pki.utf8("x")), "kind OtherName"),
    ],
)
def test_names_that_are_nobody(general: x509.GeneralName, detail: str) -> None:
    refused(detail, *pki.fulcio(), san=(x509.SubjectAlternativeName([general]), True))


@pytest.mark.parametrize(
    "value",
    [
        pki.utf8("user") + b"\0",
        b"\x13\x04user",
        b"\x0c\x05user",
        b"\x0c\x00",
        b"\x0c\x01\xff",
        b"\x0c\x04us\x00r",
    ],
    ids=["trailing", "other type", "cut short", "empty", "no UTF-8", "NUL"],
)
def test_texts_are_exactly_that(value: bytes) -> None:
    for number in (8, 12):
        refused(f".{number}", extension(number, value))


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"a\x00b", b"a\nb", b"a\x7f", "a\u2028b".encode(), b"x" * (MAX_TEXT + 1)]
)
def test_bare_texts_are_exactly_that(value: bytes) -> None:
    for number in (1, 4):
        refused(f".{number}", extension(number, value))


@pytest.mark.parametrize("text", ["a\nb", "a\x00b", "a\x85b", ""])
def test_names_have_no_control_characters(text: str) -> None:
    refused("the subject alternative name", san=pki.username_san(pki.utf8(text)))
    if text.isascii():
        refused("the subject alternative name", san=pki.uri_san(text))


@pytest.mark.parametrize(
    ("facts", "detail"),
    [
        ({"_1": "https://other.test"}, "two issuers"),
        ({"_1": "https://issuer.test/"}, "two issuers"),
        ({"_2": "push", "_20": "pull_request"}, ".2 and .20"),
        ({"_3": "abc", "_13": "abd"}, ".3 and .13"),
        ({"_6": "refs/heads/a", "_14": "refs/heads/b"}, ".6 and .14"),
        ({"_5": "o/r", "_12": "https://github.test/o/other"}, ".5 and .12"),
        ({"_5": "r", "_12": "https://github.test/o/r"}, ".5 and .12"),
        ({"_5": "o/r", "_12": "o/r"}, ".5 and .12"),
    ],
)
def test_facts_that_contradict_each_other(facts: dict[str, str], detail: str) -> None:
    refused(detail, *pki.fulcio(**facts))


# --- the id of a signer ---


@given(a=st.tuples(st.text(), st.text()), b=st.tuples(st.text(), st.text()))
def test_two_signers_never_share_an_id(a: tuple[str, str], b: tuple[str, str]) -> None:
    """Ambiguous framing would let one identity count as another in a quorum."""
    a, b = ((x.encode("utf-8", "ignore").decode(), y.encode("utf-8", "ignore").decode()) for x, y in (a, b))
    assert (signer_id(*a) == signer_id(*b)) == (a == b)
    shifted = (a[0] + a[1][:1], a[1][1:])
    assert (signer_id(*a) == signer_id(*shifted)) == (a == shifted)


@settings(max_examples=150, deadline=None)
@given(
    values=st.dictionaries(st.integers(1, 24), st.binary(max_size=40) | st.text(max_size=20).map(pki.utf8), max_size=6)
)
def test_whatever_stands_there_is_read_or_refused(values: dict[int, bytes]) -> None:
    try:
        found = identity(*(extension(n, v) for n, v in values.items()))
    except Refused:
        return
    assert found.subject == WORKFLOW
    assert all(text for _, text in found.extensions)
