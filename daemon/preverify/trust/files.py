"""Directories below the policy directory, as trust stores name them."""

from pathlib import Path

from preverify.model.errors import BadConfiguration

_MOST = 1000


def list_files(base: Path, name: str) -> tuple[str, ...]:
    """Return the names of the files in a directory below `base`.

    Symbolic links count only where they stay below `base`, as mounted configuration has them.

    Raises:
        BadConfiguration: no such directory, one that leads out of `base`, or one with very many entries.
    """
    directory = base / name
    try:
        top = base.resolve(strict=True)
        if not directory.resolve(strict=True).is_relative_to(top):
            raise BadConfiguration("leads out of the policy directory", where=name)
        found = [path for path, _ in zip(directory.iterdir(), range(_MOST + 1), strict=False)]
        if len(found) > _MOST:
            raise BadConfiguration(f"holds more than {_MOST} entries", where=name)
        files = [path for path in found if path.is_file()]
        for path in files:
            if not path.resolve().is_relative_to(top):
                raise BadConfiguration("is a link that leads out of the policy directory", where=f"{name}/{path.name}")
    except OSError as error:
        raise BadConfiguration(f"cannot be listed: {error.strerror}", where=name) from error
    return tuple(sorted(path.name for path in files))
