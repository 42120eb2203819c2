"""Who owns which images: a list that people keep, like a CODEOWNERS file. Reports are sorted by it, nothing else."""

from dataclasses import dataclass
from typing import Self

from preverify.model import globs
from preverify.model.errors import BadConfiguration, BadInput
from preverify.model.reference import Repository

_MAX_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Owners:
    """Globs over `registry/path` with a name each; the last one that matches counts."""

    lines: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, data: bytes, *, name: str) -> Self:
        """Read lines of a glob, blanks and a name; `#` begins a comment.

        Raises:
            BadConfiguration: with file and line.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise BadConfiguration("is not UTF-8 text", where=name) from error
        lines: list[tuple[str, str]] = []
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.partition("#")[0].split(maxsplit=1)
            where = f"{name}:{number}"
            if not words:
                continue
            if len(words) != 2:
                raise BadConfiguration(f"{line[:80]!r} names nobody, expected a glob and an owner", where=where)
            if len(lines) == _MAX_LINES:
                raise BadConfiguration(f"has more than {_MAX_LINES} lines", where=where)
            try:
                lines.append((globs.check(words[0]), words[1].strip()))
            except BadInput as error:
                raise BadConfiguration(str(error), where=where) from error
        return cls(tuple(lines))

    def of(self, repository: Repository) -> str:
        """Return who owns images of a repository; empty where nobody is named."""
        name = str(repository)
        return next((owner for glob, owner in reversed(self.lines) if globs.matches(glob, name)), "")
