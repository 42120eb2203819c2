"""`preverify policy test`: cases beside policies, on images that the real cosign signed."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from preverify import wiring
from preverify.commands.app import run
from support.registries import FIXTURES

LAYOUTS = FIXTURES / "layouts" / "acme"
POLICY = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: shop}
spec: {release: {key: {file: ec1.pub}, tlog: none}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: shop}
spec:
  images: ["registry.example/shop/**"]
  require: [{name: signed, signature: {by: {any: [release]}}}]
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: tagged}
spec:
  images: ["registry.example/shop/**"]
  namespaces: [prod]
  require: [{name: fixed, tags: {allow: [key-ec1]}}]
"""
EXCEPTION = """
---
apiVersion: preverify/v1
kind: Exception
metadata: {name: hotfix}
spec:
  policies: [shop]
  images: ["registry.example/shop/legacy"]
  owner: dana
  reason: test
  notBefore: "2026-01-01T00:00:00Z"
  expires: "2026-01-03T00:00:00Z"
"""
DIGEST = "sha256:3f6ea4c93eb498fd4cc27d564f990f11329476bfafdb8fa71d02caf2af3fe39f"  # of the tag key-ec1
TESTS = f"""
apiVersion: preverify/v1
kind: PolicyTest
metadata: {{name: shop}}
spec:
  at: "2026-01-02T10:00:00Z"
  cases:
    - {{name: good, layout: {LAYOUTS}/legacy, tag: key-ec1, as: registry.example/shop/api, expect: verified}}
    - name: signed by another key
      layout: {LAYOUTS}/legacy
      tag: key-rsa2048
      as: registry.example/shop/api
      expect: denied
      rule: signed
      reason: wrong-key
    - name: elsewhere
      layout: {LAYOUTS}/legacy
      digest: {DIGEST}
      as: other.example/api
      expect: denied
      reason: no-policy
    - name: at admission
      layout: {LAYOUTS}/legacy
      tag: key-ec1
      as: registry.example/shop/team/api
      namespace: prod
      expect: verified
    - name: under another tag
      layout: {LAYOUTS}/legacy
      tag: key-ec1
      tags: [latest]
      as: registry.example/shop/api
      namespace: prod
      expect: denied
      policy: tagged
      reason: tag-denied
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "ec1.pub").write_bytes((FIXTURES / "keys" / "ec1.pub").read_bytes())
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "shop.test.yaml").write_text(TESTS)
    return tmp_path


def policy_test(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["policy", "test", *map(str, arguments)])
    output = capsys.readouterr()
    return int(code), output.out, output.err


def test_what_is_expected_goes_well(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = policy_test(directory, "-o", "json", capsys=capsys)
    document = json.loads(out)
    assert (code, document["cases"], document["failed"]) == (0, 5, 0), document
    assert [each["passed"] for each in document["results"]] == [True] * 5
    code, out, _ = policy_test(directory / "shop.test.yaml", capsys=capsys)
    assert code == 0
    assert out.startswith("5 cases, 0 went otherwise than expected\n")


def test_tests_are_no_policies(directory: Path) -> None:
    assert [policy.name for policy in wiring.read_policies((directory,)).policies] == ["shop", "tagged"]


def test_what_goes_otherwise_is_told(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "shop.test.yaml").write_text(TESTS.replace("reason: wrong-key", "reason: no-signature"))
    code, out, _ = policy_test(directory, capsys=capsys)
    assert code == 1
    assert "FAILED" in out
    assert "the reason is wrong-key, expected no-signature" in " ".join(out.split())


def test_junit_for_build_servers(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "shop.test.yaml").write_text(TESTS.replace("as: other.example/api", "as: registry.example/shop/x"))
    code, out, _ = policy_test(directory, "-o", "junit", capsys=capsys)
    suite = ET.fromstring(out)
    assert (code, suite.get("tests"), suite.get("failures")) == (1, "5", "1")
    (failed,) = [case for case in suite if len(case)]
    assert (failed.get("classname"), failed.get("name")) == ("shop", "elsewhere")
    assert failed[0].get("message") == "is verified, expected denied; the reason is ok, expected no-policy"
    (directory / "shop.test.yaml").write_text(TESTS)
    code, out, _ = policy_test(directory, "-o", "junit", capsys=capsys)
    assert (code, ET.fromstring(out).get("failures")) == (0, "0")


def test_time_is_that_of_the_test(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "policy.yaml").write_text(POLICY + EXCEPTION)
    head = TESTS[: TESTS.index("    - {name: good")]
    rows = [
        ("2026-01-02T10:00:00Z", "verified", "exceptions: [hotfix]"),
        ("2026-01-03T00:00:00Z", "denied", "reason: exception-expired"),
        ("2025-12-31T00:00:00Z", "denied", "reason: wrong-key"),
    ]
    cases = [
        f'    - {{name: "{at}", layout: {LAYOUTS}/legacy, tag: key-rsa2048, as: registry.example/shop/legacy, '
        f'at: "{at}", expect: {expect}, {more}}}\n'
        for at, expect, more in rows
    ]
    (directory / "shop.test.yaml").write_text(head + "".join(cases))
    code, out, _ = policy_test(directory, "-o", "json", capsys=capsys)
    assert (code, json.loads(out)["failed"]) == (0, 0), out


def test_an_image_that_is_not_there_did_not_go_well(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "shop.test.yaml").write_text(TESTS.replace("tag: key-ec1, as: registry", "tag: gone, as: registry", 1))
    code, out, _ = policy_test(directory, "-o", "yaml", capsys=capsys)
    assert code == 1
    assert "cannot be looked at" in out


def test_other_policies_can_be_tried(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "ec1.pub").write_bytes((FIXTURES / "keys" / "ec2.pub").read_bytes())
    (other / "policy.yaml").write_text(POLICY)
    code, _, _ = policy_test(directory, "-p", other, capsys=capsys)
    assert code == 1


@pytest.mark.parametrize("what", ["empty", "gone.test.yaml", "bad"])
def test_what_cannot_be_used_is_a_usage_error(what: str, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = directory / what
    if what == "empty":
        place.mkdir()
    if what == "bad":
        place = directory
        (directory / "shop.test.yaml").write_text(TESTS.replace("expect: verified", "expect: fine", 1))
    code, out, err = policy_test(place, capsys=capsys)
    assert (code, out) == (2, "")
    assert {"empty": "no *.test.yaml", "gone.test.yaml": "cannot be read", "bad": "spec.cases[0].expect"}[what] in err
