"""RT-89: no comparison of a secret ends earlier for a better guess."""

import ast
import hmac
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from preverify.serve.tokens import Tokens
from preverify.webhooks import FORMATS

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    calls: list[tuple[Any, Any]] = []
    real = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        calls.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    return calls


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.NAME)
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x", "x-preverify-signature": "sha256=0"}])
def test_every_format_compares_whatever_was_sent(
    form: Any, headers: dict[str, str], compared: list[tuple[Any, Any]]
) -> None:
    assert not form.authentic(headers, b"{}", b"0123456789abcdef", now=NOW)
    assert len(compared) == 1


def test_every_token_is_compared_whichever_matches(tmp_path: Path, compared: list[tuple[Any, Any]]) -> None:
    names = [f"token-number-{n:04d}" for n in range(5)]
    (tmp_path / "tokens").write_text("\n".join(names))
    tokens = Tokens(tmp_path / "tokens")
    for sent, found in ((names[0], True), (names[4], True), ("x", False), ("", False)):
        compared.clear()
        assert tokens.accept(f"Bearer {sent}") is found
        assert len(compared) == 5
        assert {len(a) == len(b) == 32 for a, b in compared} == {True}  # digests: lengths say nothing either


def test_no_module_that_knows_a_secret_compares_one_with_equals() -> None:
    """`==` on bytes stops at the first difference."""
    root = Path(__file__).parents[2] / "daemon" / "preverify"
    for file in [root / "serve" / "tokens.py", root / "serve" / "hooks.py", *sorted((root / "webhooks").glob("*.py"))]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq | ast.In) for op in node.ops):
                words = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
                assert not words & {"secret", "sent", "presented", "expected", "digest_", "signature"}, (
                    file,
                    node.lineno,
                )
