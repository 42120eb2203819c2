"""Globs over image names and namespaces: one grammar, one matcher, anchored, never slow.

The grammar, whole: `**` stands for any characters, slashes included, also for none; `*` for any characters but a slash,
also for none; every other character for itself. There are no classes, no braces, no negation and no escapes.
"""

from collections.abc import Iterable

from preverify.model.errors import BadInput

MAX_LENGTH = 300
_FOREIGN = frozenset("?{}!^$()|\\+@,;'\"`~#%&=<> \t\r\n")


def check(pattern: str) -> str:
    """Return `pattern` unchanged where it follows the grammar.

    Raises:
        BadInput: empty, too long, three stars in a row, or a character that other glob dialects give a meaning.
    """
    if not pattern or len(pattern) > MAX_LENGTH:
        raise BadInput(f"a glob has 1 to {MAX_LENGTH} characters, not {len(pattern)}")
    if "***" in pattern:
        raise BadInput(
            f"{pattern[:80]!r} has three stars in a row, expected '*' within a segment or '**' across segments"
        )
    foreign = next((c for c in pattern if c in _FOREIGN or not c.isprintable() or not c.isascii()), None)
    if foreign is not None:
        raise BadInput(
            f"{pattern[:80]!r} holds {foreign!r}, but globs know only '*' (within a segment) and '**' (across)"
        )
    return pattern


def matches(pattern: str, name: str) -> bool:
    """Say whether the whole of `name` matches `pattern`. Takes at most len(pattern) * len(name) steps.

    >>> matches("registry.example/shop/**", "registry.example/shop/web/api")
    True
    >>> matches("registry.example/*", "registry.example/shop/api")
    False
    """
    star = pattern.find("*")
    if star < 0:
        return pattern == name
    if not name.startswith(pattern[:star]):
        return False
    return _matches_tokens(_tokens(pattern[star:]), name[star:])


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """Say whether the whole of `name` matches one of `patterns`."""
    return any(matches(pattern, name) for pattern in patterns)


def _tokens(pattern: str) -> tuple[str, ...]:
    return tuple("**" if piece == "\0" else piece for piece in pattern.replace("**", "\0"))


def _matches_tokens(tokens: tuple[str, ...], name: str) -> bool:
    # reached[i]: the first i tokens can stand for what was read so far. All possibilities advance together, so that no
    # pattern makes the matcher go back and try again.
    reached = _skip_stars([True] + [False] * len(tokens), tokens)
    for character in name:
        after = [False] * (len(tokens) + 1)
        for i, token in enumerate(tokens):
            if not reached[i]:
                continue
            if token == "**" or (token == "*" and character != "/"):  # noqa: S105 - glob tokens, not credentials
                after[i] = True
            elif token == character:
                after[i + 1] = True
        reached = _skip_stars(after, tokens)
    return reached[-1]


def _skip_stars(reached: list[bool], tokens: tuple[str, ...]) -> list[bool]:
    for i, token in enumerate(tokens):
        if reached[i] and token in ("*", "**"):
            reached[i + 1] = True
    return reached
