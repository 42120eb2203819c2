"""RT-20, R3: indexes fifty deep, in circles, with too many or hostile entries: nothing passes, and little is asked.

Threat 22: a signed index does not vouch for unsigned children where these are asked about, nor the reverse.
"""

import time

import pytest

from preverify import pipeline
from preverify.clock import SystemClock
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository
from preverify.model.verdicts import Verdict
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.registry.layout import LayoutRegistry
from preverify.settings import Source
from support import registries
from support.hostile import BUNDLE, Hostile
from support.registry_clients import remote

AMD, ARM = {"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64"}
MODES = ("index", "each", "[linux/amd64]", "[linux/amd64, linux/arm64]")


def policies(platforms: str, require: str = "") -> PolicySet:
    require = require or "[{name: signed, signature: {by: {any: [release]}}}]"
    text = f"""
apiVersion: preverify/v1
kind: Signers
metadata: {{name: t}}
spec: {{release: {{key: {{file: ec1.pub}}, tlog: none}}}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {{name: p}}
spec: {{images: ["**"], platforms: {platforms}, require: {require}}}
"""
    return load([("p.yaml", text.encode())], lambda name: (registries.FIXTURES / "keys" / name).read_bytes())


def decided(hostile: Hostile, digest: str, platforms: str) -> Verdict:
    reference = Reference.parse(f"{hostile.host}/a/b@{digest}")
    seen = pipeline.verify_reference(remote(hostile.host), policies(platforms), reference, clock=SystemClock())
    return seen.verdicts[0]


def reason(verdict: Verdict) -> tuple[str, str]:
    return verdict.outcome.value, verdict.rules[0].reason.value


@pytest.mark.parametrize("platforms", MODES[1:])
def test_fifty_indexes_inside_of_each_other_are_read_one_deep(platforms: str) -> None:
    with Hostile() as hostile:
        inner = hostile.image("a/b")
        for _ in range(50):
            entries = [hostile.entry("a/b", inner, platform=AMD), hostile.entry("a/b", inner, platform=ARM)]
            inner = hostile.index("a/b", entries)
        hostile.seen.clear()
        assert reason(decided(hostile, inner, platforms)) == ("failed", "content-mismatch")
        assert len(hostile.sent("GET", "/manifests/sha256:")) == 2
        assert len(hostile.seen) <= 8


@pytest.mark.parametrize("platforms", MODES)
def test_an_index_that_seems_to_name_itself_ends(platforms: str) -> None:
    """No index can have the digest of itself inside; a registry can still answer as if one had."""
    with Hostile() as hostile:
        own = "sha256:" + "5" * 64
        entry = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": own, "size": 1, "platform": AMD}
        index = hostile.index("a/b", [entry, {**entry, "platform": ARM}])
        hostile.manifests["a/b"][own] = hostile.manifests["a/b"][index]
        assert decided(hostile, index, platforms).outcome.value == "failed"
        assert len(hostile.sent("GET", "/manifests/sha256:")) <= 2
        with pytest.raises(MalformedEvidence):
            decided(hostile, own, platforms)


def test_a_circle_of_referrers_and_indexes_ends() -> None:
    with Hostile() as hostile:
        child = hostile.image("a/b")
        index = hostile.index("a/b", [hostile.entry("a/b", child, platform=AMD)])
        hostile.referrer("a/b", index, b"{}")
        hostile.referrer("a/b", child, b"{}", kind=BUNDLE)
        hostile.fallback("a/b", index, [hostile.entry("a/b", index)])
        hostile.fallback("a/b", child, [hostile.entry("a/b", index), hostile.entry("a/b", child)])
        assert reason(decided(hostile, index, "each"))[0] == "failed"
        assert len(hostile.seen) < 40


def test_sixty_four_children_are_read_and_one_more_is_refused_whole() -> None:
    with Hostile() as hostile:
        children = [hostile.image("a/b", content=f"{n}") for n in range(65)]
        entries = [
            hostile.entry("a/b", c, platform={"os": "linux", "architecture": f"a{n}"}) for n, c in enumerate(children)
        ]
        start = time.monotonic()
        assert reason(decided(hostile, hostile.index("a/b", entries[:64]), "each")) == ("failed", "no-signature")
        assert len(hostile.seen) <= 64 * 8
        assert time.monotonic() - start < 30
        with pytest.raises(MalformedEvidence) as caught:
            decided(hostile, hostile.index("a/b", entries), "each")
        assert caught.value.reason is Reason.TOO_MUCH_EVIDENCE


def test_nine_thousand_unrunnable_entries_cost_little() -> None:
    """BuildKit entries are not counted as children; what is read of them is bounded."""
    with Hostile() as hostile:
        child = hostile.image("a/b")
        said = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": child}
        unknown = {"os": "unknown", "architecture": "unknown"}
        many = [
            {"mediaType": "x", "digest": f"sha256:{n:064x}", "size": 1, "platform": unknown, "annotations": said}
            for n in range(9_000)
        ]
        index = hostile.index("a/b", [hostile.entry("a/b", child, platform=AMD), *many])
        start = time.monotonic()
        assert reason(decided(hostile, index, "index")) == ("failed", "no-signature")
        assert len(hostile.seen) <= 8 + 100
        assert time.monotonic() - start < 20


# --- threat 22, with what the real cosign has signed ------------------------------------------------------------------


def of_fixture(repo: str, tag: str, platforms: str, require: str = "") -> Verdict:
    directory = registries.FIXTURES / "layouts" / "acme"
    source = Source(registry=f"oci:{directory}", aliases=("registry.example",))
    layouts = LayoutRegistry(source, clock=SystemClock())
    reference = Reference(Repository("registry.example", repo), tag)
    return pipeline.verify_reference(layouts, policies(platforms, require), reference, clock=SystemClock()).verdicts[0]


@pytest.mark.parametrize("repo", ["bundle-index", "bundle-fb-index"])
@pytest.mark.parametrize(
    ("tag", "index", "each"),
    [("recursive", "passed", "passed"), ("index-only", "passed", "failed"), ("children-only", "failed", "passed")],
)
def test_signed_indexes_and_signed_children_are_told_apart(repo: str, tag: str, index: str, each: str) -> None:
    assert of_fixture(repo, tag, "index").outcome.value == index
    assert of_fixture(repo, tag, "each").outcome.value == each


def test_both_may_be_asked_for() -> None:
    both = (
        "[{name: index, platforms: index, signature: {by: {any: [release]}}},"
        " {name: children, platforms: each, signature: {by: {any: [release]}}}]"
    )
    seen = {tag: of_fixture("bundle-index", tag, "index", both) for tag in ("recursive", "index-only", "children-only")}
    assert {tag: v.outcome.value for tag, v in seen.items()} == {
        "recursive": "passed",
        "index-only": "failed",
        "children-only": "failed",
    }
    assert [r.rule for r in seen["index-only"].reasons] == ["children"]
    assert [r.rule for r in seen["children-only"].reasons] == ["index"]


def test_one_of_two_children_signed_is_not_enough() -> None:
    """The signed child's evidence is real; it stands beside an index that also names another."""
    store = registries.fixtures()
    case = next(c for c in registries.cases() if c["id"] == "bundle-children-only-child")
    with Hostile() as hostile:
        repo = case["repo"]
        hostile.manifests, hostile.tags, hostile.blobs = store.manifests, store.tags, {repo: store.blobs}
        stranger = hostile.image(repo, content="stranger")
        signed = hostile.entry(repo, case["digest"], platform=AMD)
        index = hostile.index(repo, [signed, hostile.entry(repo, stranger, platform=ARM)])
        seen = {}
        for platforms in MODES:
            reference = Reference.parse(f"{hostile.host}/{repo}@{index}")
            look = pipeline.verify_reference(remote(hostile.host), policies(platforms), reference, clock=SystemClock())
            seen[platforms] = look.verdicts[0]
        assert [v.outcome.value for v in seen.values()] == ["failed", "failed", "passed", "failed"]
        assert seen["each"].rules[0].detail.startswith("linux/arm64: ")
