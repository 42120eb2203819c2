"""The configuration that apko built an image from, as Chainguard attests it."""

from collections.abc import Mapping

from preverify.verify.predicates.facts import Facts, Node, Pairs, malformed

NAME = "apko"
TYPES: tuple[str, ...] = ("https://apko.dev/image-configuration",)

_CONFIGURATION = ("accounts", "archs", "contents", "entrypoint", "annotations")


def read(predicate: object, statement: Mapping[str, object]) -> Pairs:
    """Return user, architectures and number of packages.

    Spec:
        apko, docs/apko_file.md.
    """
    del statement
    facts = Facts()
    whole = Node(predicate, "predicate", _CONFIGURATION)
    user = whole.node("accounts", ("run-as", "users")).members.get("run-as")
    if user is not None and not isinstance(user, str | int):
        raise malformed("predicate.accounts.run-as is no text")
    facts.decide("user", None if user is None else str(user))
    facts.decide("architectures", ",".join(whole.words("archs")))
    contents = whole.node("contents", ("packages", "repositories", "keyring"))
    facts.decide("packages.count", len(contents.words("packages")))
    facts.tell("annotations.count", len(whole.node("annotations").members))
    return facts.done()
