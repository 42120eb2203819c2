"""Drafts become documents: equal things get one name, different ones different names."""

from typing import Any

import pytest
import yaml

from preverify.policy.importers.draft import File, PolicyDraft, Remarks, Root, Store, Who, assemble, named


def test_names_are_the_nearest_allowed_ones() -> None:
    assert named("Sign Images!") == "sign-images"
    assert named("...") == "imported"
    assert len(named("x" * 80)) == 63


def specs(*policies: PolicyDraft) -> dict[str, Any]:
    done = assemble(policies, Remarks())
    found = [each for data in done.documents.values() for each in yaml.safe_load_all(data)]
    return {f"{each['kind']} {each['metadata']['name']}": each["spec"] for each in found} | {"files": done.files}


def who(name: str, data: bytes, root: str = "r") -> Who:
    key = {"file": File(name=f"keys/{name}.pub", data=data)}
    return Who(name=name, form={"key": key, "trust": Root(name=root, form={"file": File(name="a b.json", data=b"r")})})


def rule(*signers: Who, name: str = "signed") -> dict[str, Any]:
    return {"name": name, "signature": {"by": {"any": list(signers)}}}


def test_equal_things_are_one_and_different_ones_get_other_names() -> None:
    first = PolicyDraft(name="a", images=("**",), rules=(rule(who("x", b"1"), who("y", b"1"), who("x", b"2")),))
    second = PolicyDraft(
        name="A", images=("**",), exclude=("a/*",), namespaces=("n",), mode="warn", rules=(rule(who("x", b"1")),)
    )
    found = specs(first, second)
    assert found["Policy a"]["require"] == [{"name": "signed", "signature": {"by": {"any": ["x", "x-2"]}}}]
    assert found["Policy a-2"] == {
        "images": ["**"],
        "exclude": ["a/*"],
        "namespaces": ["n"],
        "mode": "warn",
        "require": [{"name": "signed", "signature": {"by": {"any": ["x"]}}}],
    }
    assert found["Signers imported"]["x"] == {"key": {"file": "keys/x.pub"}, "trust": "r"}
    assert found["Signers imported"]["x-2"]["key"] == {"file": "keys/x-2.pub"}
    assert found["Trust imported"] == {"roots": {"r": {"file": "a-b.json"}}}
    assert found["files"] == {"keys/x.pub": b"1", "a-b.json": b"r", "keys/x-2.pub": b"2"}


def test_rules_that_say_the_same_stand_once_and_others_get_names_of_their_own() -> None:
    one, two = rule(who("x", b"1")), rule(who("y", b"2"))
    found = specs(
        PolicyDraft(name="a", images=("**",), rules=(one, rule(who("z", b"1"), name="again"), two, {"signature": {}}))
    )
    assert [each["name"] for each in found["Policy a"]["require"]] == ["signed", "signed-2", "signature"]


def test_stores_are_named_by_kind() -> None:
    store = Store(kind="ca", name="Vendor", form={"files": [File(name="certs/v.pem", data=b"c")]})
    signer = Who(name="v", form={"notation": {"stores": [store], "identities": ["*"]}})
    found = specs(PolicyDraft(name="a", images=("**",), rules=(rule(signer),)))
    assert found["Trust imported"] == {"stores": {"ca:vendor": {"files": ["certs/v.pem"]}}}
    assert found["Signers imported"]["v"] == {"notation": {"stores": ["ca:vendor"], "identities": ["*"]}}


def test_without_signers_there_are_only_policies() -> None:
    assert list(assemble([PolicyDraft(name="a", images=("**",), rules=())], Remarks()).documents) == ["policies.yaml"]


def test_long_names_stay_names() -> None:
    twins = [PolicyDraft(name="x" * 80, images=("**",), rules=(rule(who("x", b"1")),)) for _ in range(2)]
    assert all(len(each.removeprefix("Policy ")) <= 63 for each in specs(*twins) if each.startswith("Policy"))


def test_remarks_are_made_once() -> None:
    remarks = Remarks()
    remarks.note("a")
    remarks.note("a")
    assert remarks.notes == ["a"]
    with pytest.raises(ZeroDivisionError):
        remarks.attempt(lambda: 1 // 0, 0, None)  # type: ignore[arg-type]
