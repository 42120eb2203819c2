"""Rows of exceptions: an unsigned image is admitted by the one, and not by the other."""

from collections.abc import Mapping

from preverify.model.verdicts import Answer
from support.asking import ask
from support.policies import SIGNED, SUBJECT, policy_set, policy_text

OTHER = f"sha256:{'0' * 64}"


def pair(field: str, kept: str, violated: str, also: Mapping[str, str] | None = None) -> tuple[Answer, Answer]:
    """Ask about an image that nobody signed, under an exception with one value of a field and with another."""

    def answer(value: str, more: Mapping[str, str] | None = None) -> Answer:
        keys = {
            "policies": "[shop-release]",
            "images": '["registry.example/shop/**"]',
            "owner": "dana",
            "reason": "test",
            "notBefore": '"2026-01-02T10:00:00Z"',
            "expires": '"2026-01-02T10:00:01Z"',
            field: value,
            **(more or {}),
        }
        lines = "\n".join(f"  {key}: {text}" for key, text in keys.items())
        text = f"apiVersion: preverify/v1\nkind: Exception\nmetadata: {{name: x}}\nspec:\n{lines}\n"
        other = policy_text(SIGNED, name="other", mode="warn").replace("name: signed", "name: elsewhere")
        return ask(policy_set(policy_text(SIGNED), other, text))

    return answer(kept, also), answer(violated, also)


ROWS = {
    "ExceptionSpec.policies": pair("policies", "[shop-release]", "[other]"),
    "ExceptionSpec.rules": pair("rules", "[signed]", "[elsewhere]", {"policies": "[shop-release, other]"}),
    "ExceptionSpec.images": pair("images", '["registry.example/**"]', '["registry.example/other/**"]'),
    "ExceptionSpec.digests": pair("digests", f'["{SUBJECT.digest}"]', f'["{OTHER}"]'),
    "ExceptionSpec.vulnerabilities": pair("vulnerabilities", "[]", "[CVE-2026-1]"),
    "ExceptionSpec.not_before": pair(
        "notBefore", '"2026-01-02T10:00:00Z"', '"2026-01-02T10:00:01Z"', {"expires": '"2026-01-02T11:00:00Z"'}
    ),
    "ExceptionSpec.expires": pair(
        "expires", '"2026-01-02T10:00:01Z"', '"2026-01-02T10:00:00Z"', {"notBefore": '"2026-01-02T09:00:00Z"'}
    ),
}
