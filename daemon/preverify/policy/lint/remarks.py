"""What a remark on policies is."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How sure we are that it is a mistake."""

    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """One remark. `code` is from a closed list; `about` names the policy, signer or exception."""

    code: str
    level: Level
    about: str
    detail: str


def remark(code: str, level: Level, about: str, detail: str) -> Lint:
    """Return a remark."""
    return Lint(code=code, level=level, about=about, detail=detail)
