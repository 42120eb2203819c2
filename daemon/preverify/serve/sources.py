"""Which configured source a repository belongs to, under any of the names that clusters pull it by."""

from collections.abc import Mapping

from preverify.model.globs import matches
from preverify.model.reference import Repository, registry_host
from preverify.settings import Source


class Sources:
    """The configured sources by registry host."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._by_host: dict[str, tuple[str, str, tuple[str, ...]]] = {}  # settings let no host belong to two sources
        for name, source in sources.items():
            home = source.registry if source.registry.startswith("oci:") else registry_host(source.registry)
            for host in (home, *map(registry_host, source.aliases)):
                self._by_host[host] = (name, home, source.repositories)
        self._sources = dict(sources)

    def find(self, repository: Repository) -> tuple[str, Repository] | None:
        """Return the source's name and the repository under the source's own host; None where no source has it."""
        name, home, patterns = self._by_host.get(repository.registry, ("", "", ()))
        if not any(matches(pattern, repository.path) for pattern in patterns):
            return None
        return name, Repository(home, repository.path)

    def watches(self, name: str, path: str) -> bool:
        """Say whether the source `name` is configured to watch the repository `path`."""
        return any(matches(pattern, path) for pattern in self._sources[name].repositories)

    def is_host_of(self, name: str, host: str) -> bool:
        """Say whether `host` is one of the names of the source's registry."""
        return self._by_host.get(host, ("",))[0] == name
