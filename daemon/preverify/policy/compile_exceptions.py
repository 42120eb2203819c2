"""From documents of the kind `Exception` to the policies that they name."""

from collections.abc import Mapping, Sequence

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document
from preverify.model.validation import nearest
from preverify.policy.exceptions import MAX_EXCEPTIONS, ExceptionDocument, PolicyException, exception_of
from preverify.policy.places import Path, refusal
from preverify.policy.policies import Policy, excepting


def with_exceptions(
    policies: Mapping[str, Policy], written: Sequence[tuple[Document, ExceptionDocument]]
) -> dict[str, Policy]:
    """Return the policies, each with the exceptions that name it; those that no exception names are as they were.

    Raises:
        BadConfiguration: with file, line and path: an exception of policies or rules that are not there.
    """
    if len(written) > MAX_EXCEPTIONS:
        raise BadConfiguration(f"{len(written)} exceptions, at most {MAX_EXCEPTIONS} are loaded")
    names: set[str] = set()
    found: dict[str, list[PolicyException]] = {}
    for document, exception in written:
        name = exception.metadata.name
        if name in names:
            raise refusal(document, ("metadata", "name"), f"there is another exception named {name!r}")
        names.add(name)
        _refuse_unknown(document, exception, policies)
        for policy in dict.fromkeys(exception.spec.policies):
            found.setdefault(policy, []).append(exception_of(exception))
    return {name: excepting(policy, found[name]) if name in found else policy for name, policy in policies.items()}


def _refuse_unknown(document: Document, exception: ExceptionDocument, policies: Mapping[str, Policy]) -> None:
    """Refuse names that nobody has: an exception of a rule that was renamed would silently stop to count."""
    for i, name in enumerate(exception.spec.policies):
        if name not in policies:
            raise refusal(document, ("spec", "policies", i), _unknown("policy", name, policies))
    rules = {rule.name for name in exception.spec.policies for rule in policies[name].rules}
    for i, name in enumerate(exception.spec.rules):
        if name not in rules:
            path: Path = ("spec", "rules", i)
            raise refusal(document, path, _unknown("rule", name, rules) + "; of these policies")


def _unknown(noun: str, name: str, known: Mapping[str, object] | set[str]) -> str:
    near = nearest(name, known)
    return f"there is no {noun} {name!r}, " + (
        f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known))[:200] or 'none'}"
    )
