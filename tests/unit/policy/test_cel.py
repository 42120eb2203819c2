"""Expressions: what loads, what is refused with which sentence, what they say, and what an error never becomes."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest

from preverify.model.verdicts import Outcome
from preverify.policy import cel
from preverify.policy.cel import facts as facts_module
from preverify.policy.cel import tree

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
FACTS: Mapping[str, object] = {
    "image": {
        "registry": "registry.example",
        "repository": "shop/api",
        "digest": "sha256:" + "a" * 64,
        "annotations": {"org.opencontainers.image.source": "https://github.com/acme/api"},
        "config": {
            "user": "65532",
            "env": ["PATH=/bin", "HOME=/"],
            "labels": {"team": "shop", "tier": "1"},
            "entrypoint": ["/api"],
            "cmd": [],
            "exposedPorts": ["8080/tcp"],
            "created": NOW - timedelta(days=3),
            "os": "linux",
            "architecture": "amd64",
        },
    },
    "tags": ("1.4", "1.4.2", "latest"),
    "signatures": [{"format": "sigstore-bundle", "identity": "ci@acme.example", "times": [NOW - timedelta(days=2)]}],
    "attestations": [{"type": "slsa-provenance", "predicate": {"builder": "github"}}],
    "components": [
        {"name": "openssl", "version": "3.0.1", "purl": "pkg:deb/debian/openssl@3.0.1", "licenses": ["Apache-2.0"]},
        {"name": "bash", "version": "5.2", "purl": "pkg:deb/debian/bash@5.2", "licenses": ["GPL-3.0-or-later"]},
    ],
    "vulnerabilities": [
        {
            "id": "CVE-2026-1",
            "aliases": ["GHSA-1"],
            "severity": "high",
            "score": 7.5,
            "fixed": ["3.0.2"],
            "published": NOW - timedelta(days=20),
            "epss": 0.4,
            "exploited": False,
        },
        {"id": "CVE-2026-2", "severity": "unknown", "score": None, "fixed": [], "published": None},
    ],
    "now": NOW,
}


def judged(expression: str, facts: Mapping[str, object] = FACTS) -> tuple[Outcome, str]:
    judgement = cel.compiled(expression).evaluate(facts)
    return judgement.outcome, judgement.detail


@pytest.mark.parametrize(
    "expression",
    [
        "image.config.user != '' && image.config.user != 'root'",
        "image.config.labels.team == 'shop'",
        "image.config.labels['team'] == 'shop'",
        "image.config['user'] == '65532'",
        "'team' in image.config.labels",
        "'latest' in tags",
        "tags.exists(t, t.matches('^[0-9]+[.][0-9]+$'))",
        "tags.filter(t, t != 'latest').size() == 2",
        "tags.filter(t, t != 'latest')[0] == '1.4'",
        "tags.map(t, t != 'latest', t + '!') == ['1.4!', '1.4.2!']",
        "tags.map(t, t.size()).exists(n, n == 6)",
        "vulnerabilities.exists(v, v.score > 7)",
        "vulnerabilities.exists(v, v.score > 7.0)",
        "vulnerabilities.all(v, !has(v.score) || v.score < 9.0)",
        "vulnerabilities.all(v, !has(v.published) || timestamp(v.published) + duration('720h') > now)",
        "timestamp(image.config.created) > now - duration('96h')",
        "image.config.created < '2026-11-01T00:00:00Z'",
        "signatures[0].times[0] == '2026-10-30T12:00:00Z'",
        "signatures.exists(s, s.times.all(t, timestamp(t) < now))",
        "attestations.exists_one(a, a.type == 'slsa-provenance' && a.predicate.builder == 'github')",
        "components.all(c, !('GPL-2.0-only' in c.licenses))",
        "components.map(c, c.name) == ['openssl', 'bash']",
        "components.all(c, components.exists(d, d.purl == c.purl))",
        "image.config.labels.all(key, key in ['team', 'tier'])",
        "(has(image.config.user) ? image.config.user : 'root') != 'root'",
        "dyn(tags)[0] == '1.4'",
        "int(image.config.labels.tier) == 1",
        "bytes('a') == b'a'",
        "{'a': 1, 'b': 2}['b'] == 2",
        "[1, 2] + [3] == [1, 2, 3]",
        "duration('90m') == duration('1h30m')",
        "size(image.config.labels) == 2",
        "-1.5 < 0.0",
        "true ? true : false",
    ],
)
def test_it_holds(expression: str) -> None:
    assert judged(expression) == (Outcome.PASSED, "the expression holds")


@pytest.mark.parametrize(
    "expression", ["false", "image.config.user == 'root'", "has(vulnerabilities[1].score)", "'2.0' in tags"]
)
def test_it_does_not_hold(expression: str) -> None:
    assert judged(expression) == (Outcome.FAILED, "the expression does not hold")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("image.config.labels.owner == 'x'", 'Key not found in map : "owner"'),
        ("image.config.labels.owner != 'x'", 'Key not found in map : "owner"'),
        ("!(image.config.labels.owner == 'x')", 'Key not found in map : "owner"'),
        ("vulnerabilities[1].score < 7.0", 'Key not found in map : "score"'),
        ("vulnerabilities.all(v, v.score < 9.0)", 'Key not found in map : "score"'),
        ("!vulnerabilities.exists(v, v.score >= 9.0)", 'Key not found in map : "score"'),
        ("vulnerabilities.exists_one(v, v.score >= 1.0)", 'Key not found in map : "score"'),
        ("vulnerabilities.filter(v, v.score >= 1.0).size() == 1", 'Key not found in map : "score"'),
        ("vulnerabilities[7].id == 'x'", "Index error: index=7 size=2"),
        ("1 / 0 == 1", "divide by zero"),
        ("1 % 0 == 1", "modulus by zero"),
        ("9223372036854775807 + 1 > 0", "integer overflow"),
        ("-(-9223372036854775807 - 1) > 0", "integer overflow"),
        ("dyn(image.config.user) > 1", "No matching overloads found : _>_(string, int64)"),
        ("vulnerabilities[0].score + 1 > 7", "No matching overloads found : _+_(double, int64)"),
        ("int(image.config.labels.team) == 1", "cannot convert string to int"),
        ("timestamp(image.config.user) < now", "String to Timestamp conversion failed"),
        ("duration('1') < duration('1m')", "String to Duration conversion failed"),
        ("duration(image.config.user) < duration('1m')", "String to Duration conversion failed"),
        ("1 / 0 == 1 ? true : true", "divide by zero"),
        ("true && 1 / 0 == 1", "divide by zero"),
        ("false || 1 / 0 == 1", "divide by zero"),
        ("true ? image.config.labels.owner == '' : true", 'Key not found in map : "owner"'),
    ],
)
def test_an_error_never_holds_and_never_denies(expression: str, said: str) -> None:
    """Some engines' error is a text, and a text counts as true; one that counts as false would hold under `!`."""
    assert judged(expression) == (Outcome.UNDECIDED, f"the expression cannot be evaluated: {said}")


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        ("true || 1 / 0 == 1", Outcome.PASSED),
        ("1 / 0 == 1 || true", Outcome.PASSED),
        ("false && 1 / 0 == 1", Outcome.FAILED),
        ("1 / 0 == 1 && false", Outcome.FAILED),
        ("vulnerabilities.exists(v, v.score > 7.0)", Outcome.PASSED),
        ("vulnerabilities.all(v, v.score < 7.0)", Outcome.FAILED),
    ],
)
def test_logic_is_that_of_cel(expression: str, outcome: Outcome) -> None:
    """Whatever stood in the place of the error, the whole would be the same."""
    assert judged(expression)[0] is outcome


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "an expression of 0 bytes, expected 1 to 4096"),
        ("true" + " " * 4093, "an expression of 4097 bytes, expected 1 to 4096"),
        ("ä" * 2049, "an expression of 4098 bytes, expected 1 to 4096"),
        ("true &&\n  &&", "line 2, column 3: Syntax error: mismatched input '&&' expecting"),
        ("imag.config.user == ''", "line 1, column 12: there is no fact or function 'imag', did you mean 'image'?"),
        ("zzz(1)", "line 1, column 4: there is no fact or function 'zzz', expected one of: attestations, components"),
        ("now() > now", "line 1, column 4: 'now' is a fact, not a function"),
        ("1 == 'a'", "line 1, column 3: found no matching overload for '_==_' applied to '(int, string)'"),
        ("1 < 1.5", "line 1, column 3: found no matching overload for '_<_' applied to '(int, double)'"),
        ("image.config.uesr == ''", "unknown field 'uesr', did you mean 'user'?"),
        ("image['confg'].user == ''", "unknown field 'confg', did you mean 'config'?"),
        ("image.zzz == ''", "unknown field 'zzz', expected one of: annotations, config, digest, registry, repository"),
        ("vulnerabilities.all(v, v.scor < 1.0)", "unknown field 'scor', did you mean 'score'?"),
        ("vulnerabilities[0].scor < 1.0", "unknown field 'scor', did you mean 'score'?"),
        ("vulnerabilities.filter(v, v.id == 'a').all(w, w.scor < 1.0)", "unknown field 'scor', did you mean 'score'?"),
        ("(vulnerabilities + vulnerabilities).all(w, w.scor < 1.0)", "unknown field 'scor', did you mean 'score'?"),
        ("[image.zzz].size() == 1", "unknown field 'zzz', expected one of:"),
        ("1", "the expression is of type int, expected bool; compare a fact with == true or a value"),
        ("image.config.user", "the expression is of type dyn, expected bool"),
        ("vulnerabilities[0].exploited", "the expression is of type dyn, expected bool"),
        ("image.config.user == 0", "== compares string with int: these are never equal and have no order"),
        ("vulnerabilities[0].score != '9'", "!= compares double with string"),
        ("image.config.env == 'A'", "== compares list<string> with string"),
        ("vulnerabilities.exists(v, 1 in v.fixed)", "in compares int with string"),
        ("image.config.user == null", "nothing is null here: what is not known is missing; ask for it with has(…)"),
        ("image.config.created == now", "== compares a time with a text; write timestamp(…) around the fact"),
        ("image.config.created > now - duration('1h')", "> compares a time with a text"),
        ("image.config.created + duration('1h') > now", "times of facts are texts; write timestamp(…) around one"),
        ("now.getHours('Europe/Berlin') == 1", "getHours takes no time zone here: zones are files of the machine"),
        ("now.getFullYear('/etc/passwd') == 1", "getFullYear takes no time zone here"),
        ("google.protobuf.Struct{} == {}", "google.protobuf.Struct cannot be made here"),
        ("tags[0].matches('(')", "pattern '(': invalid regular expression: missing ): ("),
        ("tags[0].matches(tags[1])", "matches takes a pattern that is written out"),
        ("matches(tags[0], 'a' + 'b')", "matches takes a pattern that is written out"),
        ("tags[0].matches(string(1))", "matches takes a pattern that is written out"),
        ("tags.all(a, tags.all(b, tags.all(c, true)))", "the expression has 3 loops inside of one another, at most 2"),
        (
            "['ab']" + ".map(x, x + x + x + x + x + x + x + x)" * 8 + " == []",
            "it costs up to 2e+08 units, at most 5000000",
        ),
        ("tags.all(t, t.matches('(([a-z]{1,30}){1,30}){1}(x{30}){30}'))", "it costs up to"),
        (" && ".join(["tags.all(a, true)"] * 9), "the expression has 9 loops, at most 8 are evaluated"),
        ("[" * 40 + "]" * 40 + " == []", "the expression cannot be used: Expression recursion limit exceeded"),
        ("1" + " + 1" * 60 + " > 0", "Exceeded max recursion depth of 32 when parsing"),
        ("optional.none() == optional.none()", "line 1, column 1: there is no fact or function 'optional'"),
        ("image.?config.hasValue()", "line 1, column 1: unsupported syntax '.?'"),
        ("@result == 1", "line 1, column 1: Syntax error: token recognition error at: '@'"),
    ],
)
def test_it_does_not_load(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        cel.compiled(expression)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "facts",
    [
        {"image": {"config": {"user": object()}}},
        {"image": {"config": {"user": float("nan")}}},
        {"image": {"config": {"user": float("inf")}}},
        {"image": {"config": {"user": 2**63}}},
        {"image": {"config": {"user": b"bytes"}}},
        {"image": {"config": {"user": datetime(2026, 1, 1)}}},  # noqa: DTZ001 - that it has no zone is the point
        {"image": {"config": {"user": [None]}}},
        {"image": {"config": {"user": {1: "a"}}}},
        {"image": {"config": {"user": "\ud800"}}},
        {"image": {"config": {"user": "x" * (facts_module.MAX_TEXT + 1)}}},
        {"image": {"config": {"user": ["x"] * (facts_module.MAX_VALUES + 1)}}},
        {"image": {"config": {"user": [[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]}}},
    ],
)
def test_facts_that_cannot_be_looked_at_leave_it_undecided(facts: Mapping[str, object]) -> None:
    outcome, detail = judged("image.config.user != 'root'", facts)
    assert outcome is Outcome.UNDECIDED
    assert detail.startswith("the expression cannot be evaluated: image ")
    # Nobody asks for these, so nobody minds them.
    assert judged("size(tags) == 0", {"tags": [], **facts})[0] is Outcome.PASSED


@pytest.mark.parametrize("facts", [{}, {"tags": None}, {"image": {}}])
def test_a_fact_that_is_not_known_is_no_empty_one(facts: Mapping[str, object]) -> None:
    assert judged("tags.all(t, t != 'latest')", facts)[0] is Outcome.UNDECIDED
    assert judged("!tags.exists(t, t == 'latest')", facts)[0] is Outcome.UNDECIDED


def test_now_is_a_time_and_nothing_else() -> None:
    assert judged("now > timestamp('2026-01-01T00:00:00Z')", {"now": NOW.replace(tzinfo=None)})[0] is Outcome.UNDECIDED
    assert judged("now > timestamp('2026-01-01T00:00:00Z')", {"now": "2026-11-01T00:00:00Z"})[0] is Outcome.UNDECIDED
    assert judged("now == timestamp('2026-11-01T12:00:00Z')")[0] is Outcome.PASSED


def test_times_are_written_in_utc_and_whole_seconds() -> None:
    at = datetime(2026, 11, 1, 1, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert facts_module.rfc3339(at) == "2026-10-31T23:00:00Z"


@pytest.mark.parametrize(
    "expression",
    [
        "tags.all(a, tags == tags)",
        "tags.map(a, a).size() == 2000",
        "tags.filter(a, a != '').size() == 2000",
        "tags.all(a, tags.all(b, a != b))",
        "tags.all(a, a in tags)",
        "tags.all(a, (tags + tags).size() > 0)",
        "tags.all(a, image.digest.matches('^sha256:[0-9a-f]{64}$'))",
        "tags.all(a, image.registry.size() > 0)",
        "tags.all(a, string(image.registry) + 'x' != '')",
        "tags.all(a, (a == '' ? [image.registry] : [a]) != [])",
    ],
)
def test_what_is_cheap_over_few_facts_is_refused_over_many(expression: str) -> None:
    cheap = {**FACTS, "image": {"digest": "sha256:" + "a" * 64, "registry": "r"}}
    assert judged(expression, cheap)[0] is not Outcome.UNDECIDED
    dear = {**FACTS, "image": {"digest": "x" * 60_000, "registry": "x" * 60_000}, "tags": ["1.4"] * 4000}
    assert "it costs up to" in judged(expression, dear)[1]


@pytest.mark.parametrize(
    "expression",
    [
        "tags.exists(a, tags.size() == 4000)",
        "tags.exists(a, a == '')",
        "tags.all(a, image.config.labels.size() == 1)",
        "tags.exists(a, a in ['1', '2', '3'])",
        "tags.all(a, a.matches('^[0-9.]+$'))",
        "tags.filter(a, a == '') == tags || true || tags[0] == '1'",
        "components.exists(a, a.name == 'x')",
    ],
)
def test_what_stays_cheap_is_evaluated(expression: str) -> None:
    many = {"tags": ["1.4"] * 1000, "image": {"config": {"labels": {"a": "b"}}}, "components": [{"name": "y"}] * 9000}
    assert judged(expression, many)[0] is not Outcome.UNDECIDED


def test_more_than_ten_thousand_rounds_leave_it_undecided() -> None:
    outcome, detail = judged("components.exists(a, a.name == 'x')", {"components": [{"name": "y"}] * 10_001})
    assert (outcome, detail) == (
        Outcome.UNDECIDED,
        "the expression cannot be evaluated: Iteration budget exceeded",
    )


def test_facts_are_made_ready_once() -> None:
    """Two expressions over one subject copy its long lists once, and an expression copies only what it asks for."""
    facts = cel.Facts(FACTS)
    assert cel.compiled("tags.size() == 3").evaluate(facts).outcome is Outcome.PASSED
    ready = facts.ready(("tags",))
    assert cel.compiled("tags[0] == '1.4'").evaluate(facts).outcome is Outcome.PASSED
    assert facts.ready(("tags",)) is ready
    assert cel.compiled("tags.exists(image, image == '1.4') && now == now").names >= {"tags", "now"}


def test_a_variable_of_a_loop_may_hide_a_fact() -> None:
    assert judged("tags.exists(image, image == '1.4')")[0] is Outcome.PASSED
    assert judged("tags.exists(now, now.size() == 3)", {"tags": ["1.4"]})[0] is Outcome.PASSED


def test_every_variable_is_listed_with_its_type() -> None:
    listed = cel.variables()
    assert listed["image.config.labels"] == "map<string, string>"
    assert listed["vulnerabilities"] == "list<map<string, dyn>>"
    assert listed["vulnerabilities[].score"] == "double"
    assert listed["vulnerabilities[].published"] == "string, RFC 3339"
    assert listed["signatures[].times"] == "list<string>, RFC 3339"
    assert listed["now"] == "timestamp"


@pytest.mark.parametrize(
    ("expression", "only"),
    [
        ('image.registry == "a" && image.digest != "b"', True),
        ("tags == []", True),
        ('has(image.annotations.source) || image.annotations["a"] == "b"', True),
        ('image.config.user == "1" && image.registry == "a"', False),
        ("has(image.config)", False),
        ('image["registry"] == "a"', False),
        ("image.size() > 0", False),
        ('image.exists(key, key == "registry")', False),
    ],
)
def test_it_is_known_what_of_a_fact_is_looked_at(expression: str, *, only: bool) -> None:
    assert cel.compiled(expression).asks_only_for("image", {"registry", "digest", "annotations"}) is only


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    cel._engine.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"pip install 'preverify\[cel\]'"):
            cel.compiled("true")
    finally:
        monkeypatch.undo()
        cel._engine.cache_clear()
    assert judged("true")[0] is Outcome.PASSED


@pytest.mark.parametrize("data", [b"", b"\x0a\x01x", b"\x0d\x00\x00\x00\x00"])
def test_what_another_engine_writes_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="the CEL engine wr"):
        tree.read(data)
