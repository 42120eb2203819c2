"""The rule `tags`: what the image is called, and whether a name ever moved to it, as far as it was observed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from preverify.model import globs
from preverify.model.needs import Need
from preverify.model.reasons import Reason
from preverify.model.tags import Tags
from preverify.model.verdicts import Mode, Outcome, RuleResult
from preverify.policy.quorum import Quorum, Resolve, Signer
from preverify.policy.rules.evidence import Look
from preverify.policy.rules.results import result
from preverify.policy.wire import Globs, Part, distinct

_NUMBER = r"(?:0|[1-9][0-9]*)"
_SEMVER = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?"
)


class TagsSpec(Part):
    """The tags that name the image now, as last observed. A verdict is about the digest, whoever uses which tag."""

    allow: Globs | None = None
    """Globs: each tag matches one of them."""
    deny: Globs | None = None
    """Globs: no tag matches one of them, like `latest`."""
    semver: Literal[True] | None = None
    """`true`: each tag is a whole semantic version, with `v` or without: `1.2.3`, `v1.2.3-rc.1`."""
    immutable: Globs | None = None
    """Globs: a tag that one of them matches was never seen to name another digest."""
    untagged: Literal["allow", "deny"] = "deny"
    """Whether an image may be named by no tag at all (any more)."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("demands nothing, expected some of: allow, deny, semver, immutable, untagged")
        if self.model_fields_set == {"untagged"} and self.untagged == "allow":
            raise ValueError("'untagged: allow' alone demands nothing")
        return self

    def compile(self, *, name: str, mode: Mode, quorum: Resolve) -> "Tagged":
        """Return the rule."""
        del quorum  # it looks at nobody's evidence
        return Tagged(
            name=name,
            mode=mode,
            allow=distinct(self.allow),
            deny=distinct(self.deny),
            semver=bool(self.semver),
            immutable=distinct(self.immutable),
            untagged=self.untagged == "allow",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """The tags of the image are allowed, and did not move.

    Attributes:
        allow: Empty: any.
        untagged: Whether no tag at all is allowed.
    """

    KIND: ClassVar[str] = "tags"

    name: str
    mode: Mode
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    semver: bool = False
    immutable: tuple[str, ...] = ()
    untagged: bool = False

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """Return nobody: tags are signed by nobody."""
        return ()

    @property
    def needs(self) -> frozenset[Need]:
        """Return the tags."""
        return frozenset({Need.TAGS})

    def check(self, look: Look) -> RuleResult:
        """Return PASSED where every tag is as demanded."""
        if look.tags is None:
            detail = "the image's tags were not looked at when it was last decided about"
            return result(self, Outcome.UNDECIDED, Reason.REGISTRY_UNAVAILABLE, detail)
        wrong = list(self._wrong(look.tags))
        if wrong:
            return result(self, Outcome.FAILED, Reason.TAG_DENIED, "; ".join(wrong)[:500])
        return result(self, Outcome.PASSED, Reason.OK, f"named by {', '.join(look.tags.names)[:300] or 'no tag'}")

    def _wrong(self, tags: Tags) -> Iterator[str]:
        if not tags.names and not self.untagged:
            yield "no tag names it"
        for tag in tags.names:
            if self.allow and not globs.matches_any(self.allow, tag):
                yield f"has the tag {tag!r}, expected {' or '.join(self.allow)[:200]}"
            if globs.matches_any(self.deny, tag):
                yield f"has the tag {tag!r}, which is denied"
            if self.semver and _SEMVER.fullmatch(tag) is None:
                yield f"has the tag {tag!r}, which is no semantic version"
            if globs.matches_any(self.immutable, tag):
                yield from _moved(tag, tags)

    def canonical(self) -> dict[str, Any]:
        """Return the demands as the policy's digest sees them: what is not demanded does not stand."""
        form: dict[str, Any] = {
            "allow": list(self.allow),
            "deny": list(self.deny),
            "semver": self.semver,
            "immutable": list(self.immutable),
            "untagged": self.untagged,
        }
        return {name: value for name, value in form.items() if value}

    @classmethod
    def from_canonical(cls, name: str, mode: Mode, body: Mapping[str, Any], signers: Mapping[str, Signer]) -> Self:
        """Rebuild a rule from its canonical form."""
        del signers
        return cls(
            name=name,
            mode=mode,
            allow=tuple(body.get("allow", ())),
            deny=tuple(body.get("deny", ())),
            semver=body.get("semver", False),
            immutable=tuple(body.get("immutable", ())),
            untagged=body.get("untagged", False),
        )


def _moved(tag: str, tags: Tags) -> Iterator[str]:
    """Yield that a tag moved. One that was deleted and came back with something else moved as well."""
    named = [each for move in tags.moves if move.tag == tag for each in (move.before, move.after) if each is not None]
    others = [each for each in dict.fromkeys(named) if each != named[-1]]
    if others:
        yield f"the tag {tag!r} also named {str(others[-1])[:19]}…, and may not move"
