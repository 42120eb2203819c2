"""Rows of the rules about where an image comes from, how it is called, what it was built on and when."""

from preverify.model.tags import TagMove, Tags
from preverify.model.verdicts import Answer
from support.configured import answer, answers, document, image
from support.policies import NOW, SUBJECT
from support.predicates import changed, found
from support.predicates import document as statement
from support.values import digest_of_number

SEEN = image(
    document(created="2026-01-01T10:00:00Z"),
    annotations={
        "org.opencontainers.image.base.name": "docker.io/library/alpine:3.23",
        "org.opencontainers.image.base.digest": str(digest_of_number(1)),
    },
)
MOVED = Tags(
    names=("v1", "v1.2.3"),
    moves=(
        TagMove(tag="v1", before=None, after=digest_of_number(1), at=NOW),
        TagMove(tag="v1", before=digest_of_number(1), after=SUBJECT.digest, at=NOW),
    ),
)
VERSIONED = Tags(names=("v1.2.3",))
BUILT = found(changed(statement("cosign-provenance-v0.2"), "metadata/buildStartedOn", "2025-12-01T10:00:00Z"))


def pair(kind: str, kept: str, violated: str) -> tuple[Answer, Answer]:
    return answers(f"{kind}: {{{kept}}}", f"{kind}: {{{violated}}}", SEEN)


def tagged(kept: str, violated: str) -> tuple[Answer, Answer]:
    return answers(f"tags: {{{kept}}}", f"tags: {{{violated}}}", SEEN, tags=MOVED)


def both(demand: str, good: Tags, bad: Tags) -> tuple[Answer, Answer]:
    whole = f"tags: {{{demand}}}"
    return answer(whole, SEEN, tags=good), answer(whole, SEEN, tags=bad)


ROWS = {
    "RuleSpec.repositories": pair("repositories", "allow: ['registry.example/**']", "allow: ['docker.io/**']"),
    "RepositoriesSpec.allow": pair("repositories", "allow: ['registry.example/**']", "allow: ['docker.io/**']"),
    "RepositoriesSpec.deny": pair("repositories", "deny: ['docker.io/**']", "deny: ['registry.example/**']"),
    "RuleSpec.tags": tagged("deny: [latest]", "deny: [v1]"),
    "TagsSpec.allow": tagged("allow: ['v*']", "allow: ['v1.*']"),
    "TagsSpec.deny": tagged("deny: [latest]", "deny: [v1]"),
    "TagsSpec.semver": both("semver: true", VERSIONED, MOVED),
    "TagsSpec.immutable": tagged("immutable: ['v1.*']", "immutable: ['v*']"),
    "TagsSpec.untagged": both("untagged: deny", VERSIONED, Tags()),
    "RuleSpec.baseImage": pair("baseImage", "repositories: ['docker.io/**']", "repositories: ['quay.io/**']"),
    "BaseImageSpec.repositories": pair("baseImage", "repositories: ['docker.io/**']", "repositories: ['quay.io/**']"),
    "BaseImageSpec.digests": pair(
        "baseImage", f"digests: ['{digest_of_number(1)}']", f"digests: ['{digest_of_number(2)}']"
    ),
    "RuleSpec.imageAge": pair("imageAge", "maxAge: 25h", "maxAge: 23h"),
    "ImageAgeSpec.max_age": pair("imageAge", "maxAge: 25h", "maxAge: 23h"),
    "ImageAgeSpec.min_age": pair("imageAge", "minAge: 24h", "minAge: 25h"),
    "ImageAgeSpec.by": (
        answer("imageAge: {minAge: 25h, by: {any: [release]}}", SEEN, BUILT),
        answer("imageAge: {minAge: 25h, by: {any: [vendor]}}", SEEN, BUILT),
    ),
}
