"""Regular expressions over identities: whole values only, in linear time, never a catch-all."""

from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

MAX_PATTERN = 1024
_NOBODY = (
    "",
    "\x01preverify",
    "https://nobody.invalid/\x01",
    "https://nobody.invalid",
    "https://nobody.invalid/nobody",
    "nobody@nobody.invalid",
    "spiffe://nobody.invalid/nobody",
)
"""What no identity is: under names that nobody can have (RFC 2606). A pattern that matches it matches everybody, at
least everybody of a kind: every mail address, every workload of every domain."""


class Pattern:
    """A compiled pattern. Matches whole values, as if it stood between `^` and `$`.

    The engine is the one of Rust: no back references and no look-around, and no pattern takes more than linear time.
    """

    __slots__ = ("_adapter", "text")

    def __init__(self, text: str) -> None:
        """Compile.

        Raises:
            ValueError: not a pattern of this engine, too long, or one that matches everybody.
        """
        if not 0 < len(text) <= MAX_PATTERN:
            raise ValueError(f"a pattern of {len(text)} characters, expected 1 to {MAX_PATTERN}")
        # First alone: `a)|(b` is no pattern, and between our parentheses it would become two that are not anchored.
        _compiled(text)
        self.text = text
        self._adapter = _compiled(rf"\A(?:{text})\z")
        if any(map(self.matches, _NOBODY)):
            raise ValueError(f"pattern {text[:80]!r} matches everybody; name what you trust")

    def matches(self, value: str) -> bool:
        """Say whether the whole of `value` matches."""
        try:
            self._adapter.validate_python(value)
        except ValidationError:
            return False
        return True


@lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """Return the compiled pattern; raises as `Pattern` does."""
    return Pattern(text)


def _compiled(text: str) -> TypeAdapter[Any]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[str, Field(pattern=text)])
    except SchemaError as error:
        reason = str(error).splitlines()[-1][:160]
        raise ValueError(f"pattern {text[:80]!r} cannot be used: {reason}") from error
    return adapter
