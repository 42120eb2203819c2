"""Scopes of containers/image, of which only the most specific one counts, as globs and what is excluded from them.

Spec:
    containers-policy.json(5), "docker:" scopes: an image, a repository, a namespace, a host, `*.` and a domain, or the
    empty text for everything; as containers/image compares them, for images by digest.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from preverify.model.errors import BadInput
from preverify.model.reference import is_registry, is_repository_path, registry_host

LAYOUTS = "oci:/**"
"""Images in directories are of another transport there."""


class NamesOneImage(ValueError):
    """A scope of a tag or digest. `repository` is where it is."""

    def __init__(self, text: str, repository: str) -> None:
        super().__init__(f"{text[:80]!r} names a tag or digest; policies here are about repositories")
        self.repository = repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A scope as it is written: empty (everything), `*.domain`, a host, or a host and the begin of a path."""

    text: str

    @classmethod
    def read(cls, text: str) -> "Scope":
        """Check a scope.

        Raises:
            NamesOneImage: it is about less than a repository.
            ValueError: it matches nothing there, or something that is called otherwise here.
        """
        if not text:
            return cls(text=text)
        host, slash, path = text.partition("/")
        bare = host.removeprefix("*.")
        try:
            ours = registry_host(bare)
        except BadInput as error:
            raise ValueError(str(error)) from error
        if bare != host:
            if slash or ":" in bare:
                raise ValueError(f"{text[:80]!r} matches nothing: '*.' takes a domain, without port or path")
        elif not is_registry(host):
            raise ValueError(f"{text[:80]!r} matches nothing: it names no registry, write docker.io/…")
        if ours != bare:
            raise ValueError(f"{text[:80]!r} matches nothing there: the registry is called {ours}")
        repository = path.partition("@")[0].partition(":")[0]
        if slash and not is_repository_path(repository):
            raise ValueError(f"{text[:80]!r} matches nothing: {repository[:80]!r} is no repository or namespace")
        if repository != path:
            raise NamesOneImage(text, f"{host}/{repository}")
        return cls(text=text)

    @property
    def globs(self) -> tuple[str, ...]:
        """Return globs over repositories that match what the scope does, where nothing is more specific."""
        if not self.text:
            return ("**",)
        if self.text.startswith("*."):
            return (f"{self.text}/**", f"{self.text}:*/**")
        return (f"{self.text}/**",) if "/" not in self.text else (self.text, f"{self.text}/**")

    def within(self, other: "Scope") -> bool:
        """Say whether everything that this scope matches is in the other one, which matches more."""
        if not other.text or self == other:
            return self != other
        if other.text.startswith("*."):
            host = self.text.partition("/")[0].partition(":")[0]
            return host.endswith(other.text[1:])
        return self.text.startswith(f"{other.text}/")

    def without(self, others: Iterable["Scope"]) -> tuple[str, ...]:
        """Return globs over what more specific ones of `others` take from this one."""
        inside = [other for other in others if other.within(self)]
        largest = [other for other in inside if not any(other.within(each) for each in inside)]
        taken = dict.fromkeys(glob for other in largest for glob in other.globs)
        return tuple(taken) if self.text else (*taken, LAYOUTS)
