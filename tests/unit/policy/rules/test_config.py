"""The rule `config`: what a configuration may say, and what is said where it may not."""

from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Gathered
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome, RuleResult
from preverify.policy.policies import PolicySet
from preverify.policy.rules.config import Configured
from preverify.policy.rules.evidence import Look
from support.configured import document, image
from support.policies import not_obtained, one_policy, policy_set, policy_text

PASSED = (Outcome.PASSED, Reason.OK)
DENIED = (Outcome.FAILED, Reason.CONFIG_DENIED)
SECRET = "gh" + "p_" + "a1" * 18


def check(demand: str, section: dict[str, Any] | None = None, seen: Gathered | None = None) -> RuleResult:
    (rule,) = one_policy(f"[{{name: x, config: {{{demand}}}}}]").rules
    return rule.check(Look(findings=(), gathered=seen or image(document(section))))


def say(result: RuleResult) -> tuple[Outcome, Reason]:
    return result.outcome, result.reason


def denied(demand: str, section: dict[str, Any] | None = None, seen: Gathered | None = None) -> str:
    result = check(demand, section, seen)
    assert say(result) == DENIED
    return result.detail


@pytest.mark.parametrize("user", ["1", "65532", "1000:0", "65532:65532", "+7", "2147483647"])
def test_numbers_other_than_zero_are_not_root(user: str) -> None:
    assert say(check("nonRoot: true", {"User": user})) == PASSED


@pytest.mark.parametrize(
    "user", ["", ":1000", "0", "00", "0:0", "0:1000", "-0", "+0", "root", "root:root", "Root", "ContainerAdministrator"]
)
def test_root_has_many_names(user: str) -> None:
    assert "runs as" in denied("nonRoot: true, userNames: ['*']", {"User": user})


@pytest.mark.parametrize("user", ["2147483648", "4294967296", "-1", "9" * 5000, "1" + "0" * 25])
def test_numbers_that_runtimes_take_for_others_are_refused(user: str) -> None:
    """CVE-2024-40635: 4294967296 ran as 0."""
    assert "expected a number from 1 to 2147483647" in denied("nonRoot: true", {"User": user})


def test_a_name_may_be_of_any_number_and_has_to_be_trusted() -> None:
    assert "whose number is not known here" in denied("nonRoot: true", {"User": "node"})
    assert say(check("nonRoot: true, userNames: [node, 'app-*']", {"User": "app-1:app"})) == PASSED
    assert "whose number is not known" in denied("nonRoot: true, userNames: [node]", {"User": "nodes"})


def test_users_are_compared_whole_or_without_their_group() -> None:
    for user in ("65532", "65532:65532", "65532:0", "app:staff"):
        assert say(check("users: ['65532', 'app:staff']", {"User": user})) == PASSED
    for user in ("", "0", "app", "app:wheel", "655320"):
        assert "expected 65532 or app:staff" in denied("users: ['65532', 'app:staff']", {"User": user})


def test_labels_are_compared_exactly_or_by_patterns() -> None:
    labels = {"Labels": {"vendor": "acme", "version": "1.2.3", "empty": ""}}
    assert say(check("labels: {vendor: acme}, labelPatterns: {version: '\\d+\\.\\d+\\.\\d+'}", labels)) == PASSED
    assert denied("labels: {vendor: other}", labels) == "has the label 'vendor' with 'acme', expected 'other'"
    assert denied("labels: {maker: acme}", labels) == "has no label 'maker', expected 'acme'"
    assert "expected what '1\\\\.\\\\d' matches" in denied("labelPatterns: {version: '1\\.\\d'}", labels)
    assert say(check("requiredLabels: [vendor, version]", labels)) == PASSED
    assert "has the label 'empty' with '', expected a value" in denied("requiredLabels: [empty]", labels)
    assert "has no label 'maker'" in denied("requiredLabels: [maker]", labels)
    assert say(check("forbiddenLabels: ['debug*']", labels)) == PASSED
    assert denied("forbiddenLabels: ['ver*']", labels) == "has the label 'version', which is forbidden"


def test_secrets_are_denied_and_their_values_never_said() -> None:
    env = {"Env": ["PATH=/bin", f"BUILD_INFO={SECRET}", "DB_PASSWORD=hunter2"]}
    said = denied("secrets: deny", env)
    assert "'BUILD_INFO', which looks like a GitHub token" in said
    assert "'DB_PASSWORD', which looks like a secret by its name" in said
    assert "hunter2" not in said
    assert SECRET not in said
    assert say(check("secrets: deny, allowedEnv: ['BUILD_*', DB_PASSWORD]", env)) == PASSED
    assert say(check("secrets: deny", {"Env": ["PATH=/bin", "GPG_KEY=A035C8C1"]})) == PASSED


def test_variables_are_forbidden_by_name() -> None:
    env = {"Env": ["PATH=/bin", "LD_PRELOAD=/evil.so"]}
    assert denied("forbiddenEnv: ['LD_*']", env) == "sets the environment variable 'LD_PRELOAD', which is forbidden"
    assert say(check("forbiddenEnv: [HTTP_PROXY]", env)) == PASSED


def test_entrypoints_are_compared_word_for_word() -> None:
    entry = {"Entrypoint": ["/app", "--serve"]}
    assert say(check("entrypoint: required", entry)) == PASSED
    assert denied("entrypoint: required", {"Cmd": ["/app"]}) == "has no entrypoint"
    assert say(check("entrypoints: [[/app], [/app, --serve]]", entry)) == PASSED
    assert denied("entrypoints: [['/app --serve']]", entry) == (
        "has the entrypoint '/app --serve', expected /app --serve"
    )
    assert "has the entrypoint 'nothing'" in denied("entrypoints: [[/app]]")


@pytest.mark.parametrize(
    ("demand", "exposed", "good"),
    [
        ("exposedPorts: ['8080']", ["8080/tcp"], True),
        ("exposedPorts: ['8080/tcp']", ["8080"], True),
        ("exposedPorts: ['8080']", ["8080/udp"], False),
        ("exposedPorts: ['8080']", ["8080/TCP"], True),
        ("exposedPorts: ['8000-8999/tcp', '53/udp']", ["8080", "8000-8005/tcp", "53/udp"], True),
        ("exposedPorts: ['8000-8999']", ["7999"], False),
        ("exposedPorts: ['8000-8999']", ["8990-9000"], False),
        ("exposedPorts: []", [], True),
        ("exposedPorts: []", ["80"], False),
        ("exposedPorts: ['1-65535']", ["http"], False),
        ("exposedPorts: ['1-65535']", ["0"], False),
        ("exposedPorts: ['1-65535']", ["9-8"], False),
        ("forbiddenPorts: ['22']", ["8080"], True),
        ("forbiddenPorts: ['22']", ["22/tcp"], False),
        ("forbiddenPorts: ['22']", ["20-30"], False),
        ("forbiddenPorts: ['22']", ["ssh"], False),
        ("forbiddenPorts: ['22'], exposedPorts: ['1-1023']", ["22"], False),
        ("nonRoot: true", ["ssh"], True),
    ],
)
def test_exposed_ports_are_among_the_allowed_ones(demand: str, exposed: list[str], *, good: bool) -> None:
    result = check(demand, {"User": "1", "ExposedPorts": {port: {} for port in exposed}})
    assert say(result) == (PASSED if good else DENIED)


def test_volumes_layers_and_size_are_bounded() -> None:
    assert say(check("volumes: none")) == PASSED
    assert "'/data'" in denied("volumes: none", {"Volumes": {"/data": {}}})
    two = image(layers=(1024, 1024))
    assert say(check("maxLayers: 2, maxSize: 2KiB", seen=two)) == PASSED
    assert denied("maxLayers: 1", seen=two) == "has 2 layers, at most 1 are allowed"
    assert denied("maxSize: 2047B", seen=two) == "has 2048 bytes of layers, at most 2047 are allowed"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = denied("nonRoot: true, volumes: none, entrypoint: required", {"Volumes": {"/d": {}}})
    assert said.count(";") == 2


def test_what_could_not_be_obtained_is_undecided_and_what_is_void_fails() -> None:
    missing = image(unobtained=(not_obtained(what="configuration"),))
    assert say(check("volumes: none", seen=missing)) == (Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE)
    chart = image(config_type="application/vnd.cncf.helm.config.v1+json")
    assert say(check("volumes: none", seen=chart)) == (Outcome.FAILED, Reason.PAYLOAD_TYPE_MISMATCH)
    broken = image(manifest=b'{"layers": 1}')
    assert say(check("volumes: none", seen=broken)) == (Outcome.FAILED, Reason.PAYLOAD_MALFORMED)


def test_it_looks_at_the_configuration_and_at_nobodys_evidence() -> None:
    policy = one_policy("[{name: x, mode: audit, config: {volumes: none}}, {name: y, config: {volumes: none}}]")
    assert policy.needs == {Need.CONFIG}
    assert policy.signers == ()
    assert [rule.check(Look(findings=(), gathered=image())).counted for rule in policy.rules] == [False, True]
    assert policy.platforms_of("y").of_children


ALL = (
    "nonRoot: true, userNames: [b, a], users: ['1', b], labels: {b: '1', a: '2'}, labelPatterns: {v: '\\d'}, "
    "requiredLabels: [c], forbiddenLabels: [d], secrets: deny, allowedEnv: [E], forbiddenEnv: [F], "
    "entrypoint: required, entrypoints: [[/b], [/a, x]], exposedPorts: ['81', '80/tcp'], forbiddenPorts: ['22'], "
    "volumes: none, maxLayers: 9, maxSize: 2GiB"
)


@pytest.mark.parametrize("demand", [ALL, "exposedPorts: []", "nonRoot: true"])
def test_a_rule_is_rebuilt_from_its_canonical_form(demand: str) -> None:
    policies = policy_set(policy_text(f"[{{name: x, config: {{{demand}}}}}]"))
    assert PolicySet.from_document(policies.document) == policies
    (rule,) = policies.policies[0].rules
    assert isinstance(rule, Configured)
    assert rule.max_size in (0, 2 << 30)


def test_order_and_repetition_mean_nothing() -> None:
    one = one_policy("[{name: x, config: {users: ['1', a], exposedPorts: ['80', '443/tcp']}}]")
    two = one_policy("[{name: x, config: {users: [a, '1', a], exposedPorts: ['443', '80/tcp']}}]")
    assert one.digest == two.digest


@pytest.mark.parametrize(
    ("demand", "sentence"),
    [
        ("", "demands nothing, expected some of: nonRoot"),
        ("labels: {}", "demands nothing"),
        ("nonRoot: false", "nonRoot"),
        ("userNames: [a]", "beside 'nonRoot: true'"),
        ("allowedEnv: [A]", "beside 'secrets: deny'"),
        ("users: []", "users"),
        ("secrets: allow", "secrets"),
        ("labelPatterns: {a: '.*'}", "matches everybody"),
        ("labelPatterns: {a: '('}", "cannot be used"),
        ("forbiddenEnv: ['{A,B}']", "holds '{'"),
        ("exposedPorts: ['http']", "is no port"),
        ("exposedPorts: ['70000']", "is no port"),
        ("exposedPorts: [80]", "exposedPorts"),
        ("maxSize: 500MB", "is no size"),
        ("maxSize: 0B", "is no size"),
        ("maxSize: 500", "is no size"),
        ("maxLayers: 0", "maxLayers"),
        ("maxLayer: 1", "did you mean 'maxLayers'"),
    ],
)
def test_what_is_not_understood_does_not_load(demand: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration, match=r"policy-0\.yaml") as refused:
        one_policy(f"[{{name: x, config: {{{demand}}}}}]")
    assert sentence in str(refused.value)
