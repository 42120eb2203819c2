"""What a push notification says. It tells where to look, never what is true."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One claim of a registry's notification: this tag of this repository changed.

    `repository` is the path without registry. `tag` is None where only a digest was pushed. `digest` is what the sender
    claims and is only stored for people to read. `deleted` hints lead to the same look at the registry. `registry` is
    the host that the sender says it is, empty where the format does not say or says only an internal name.
    """

    repository: str
    tag: str | None
    digest: str | None = None
    deleted: bool = False
    delivery: str = ""
    registry: str = ""
