"""JSON Schemas: those in `config/schema` are those of the code, and every key has its manual."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preverify.commands.config import Kind, schema_of
from preverify.policy.rules import RULES, SPECS
from preverify.policy.schema import KINDS, json_schema

SCHEMAS = Path(__file__).resolve().parents[3] / "config" / "schema"


@pytest.mark.parametrize("kind", list(Kind))
def test_the_shipped_schema_is_that_of_the_code(kind: Kind) -> None:
    """Mend it with: preverify config schema KIND > config/schema/KIND.json (in lower case)."""
    assert json.loads((SCHEMAS / f"{kind.value.lower()}.json").read_text()) == schema_of(kind)


def test_every_kind_is_shipped() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == {kind.value.lower() for kind in Kind}
    assert set(KINDS) == {"Exception", "Policy", "Signers", "Trust"}


def parts(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "document", schema
    yield from schema.get("$defs", {}).items()


@pytest.mark.parametrize("kind", list(Kind))
def test_unknown_keys_are_refused_by_the_schema_too(kind: Kind) -> None:
    for name, part in parts(schema_of(kind)):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, name


@pytest.mark.parametrize("kind", list(KINDS))
def test_keys_of_policies_have_a_manual(kind: str) -> None:
    for name, part in parts(json_schema(kind)):
        for key, value in part.get("properties", {}).items():
            if key not in ("apiVersion", "kind", "metadata", "spec", "name"):
                assert value.get("description"), f"{name}.{key}"


def test_each_rule_is_written_under_its_own_key() -> None:
    assert set(SPECS) - set(RULES) == {"anyOf", "allOf"}  # further ways to write `atLeast`
    assert set(RULES) <= set(SPECS)
    for kind, rule in RULES.items():
        assert kind == rule.KIND
    assert set(SPECS) <= set(json_schema("Policy")["$defs"]["RuleSpec"]["properties"])
