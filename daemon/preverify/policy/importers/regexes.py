"""Regular expressions of Go's engine that look for a match anywhere, as ours that match whole values in Rust's engine.

Both engines know the same language but for a few forms, which are rewritten where they mean more there (classes of
Unicode in the place of ASCII) and refused where they mean something else.
"""

from collections.abc import Iterator

from preverify.policy.patterns import pattern

_ASCII = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r "}
_OTHERWISE = {"<", ">", "Q", "C"}
"""Escapes that are letters or quotes in the one and word boundaries or nothing in the other."""
_SET_OPERATORS = ("&&", "--", "~~")
_ANYTHING = "(?s:.*)"


def anywhere(text: str) -> str:
    r"""Return our pattern for whole values that matches exactly those in which `text` matches somewhere.

    Raises:
        ValueError: not an expression of both engines, or one that matches everybody.

    >>> anywhere(r"^https://github\.com/acme/")
    '^https://github\\.com/acme/(?s:.*)'
    """
    translated = "".join(_translated(text))
    return checked(_between(translated))


def checked(expression: str) -> str:
    """Return an expression that our engine takes for a pattern over whole values.

    Raises:
        ValueError: it does not, or the expression matches everybody.
    """
    pattern(expression)
    return expression


def _between(text: str) -> str:
    """Put what may stand before and after around an expression; for people, nothing where it is bound to the ends."""
    plain = "|" not in text and "(?" not in text
    starts = plain and text.startswith("^")
    ends = plain and text.endswith("$") and not text.endswith("\\$")
    inner = text if plain else f"(?:{text})"
    return f"{'' if starts else _ANYTHING}{inner}{'' if ends else _ANYTHING}"


def _translated(text: str) -> Iterator[str]:
    i, inside = 0, False
    while i < len(text):
        c = text[i]
        if c == "\\":
            yield _escape(text[i + 1 : i + 2], text[i + 2 : i + 3], inside=inside)
            i += 2
            continue
        if inside:
            if text[i : i + 2] in _SET_OPERATORS:
                raise ValueError(f"{text[i : i + 2]!r} in a class means a set operation in our engine")
            if c == "[":
                end = text.find(":]", i)
                if text[i + 1 : i + 2] != ":" or end < 0:
                    raise ValueError("'[' in a class begins a class of its own in our engine")
                yield text[i : end + 2]
                i = end + 2
                continue
            inside = c != "]"
        elif c == "[":
            inside = True
            head = next(head for head in ("[^]", "[]", "[^", "[") if text.startswith(head, i))
            yield head.replace("]", "\\]")  # a bracket that comes first is one of the class's characters
            i += len(head)
            continue
        yield c
        i += 1


def _escape(letter: str, after: str, *, inside: bool) -> str:
    if letter in _ASCII:
        return _ASCII[letter] if inside else f"[{_ASCII[letter]}]"
    if letter.lower() in _ASCII:
        if inside:
            raise ValueError(f"\\{letter} in a class means other characters in our engine")
        return f"[^{_ASCII[letter.lower()]}]"
    if letter in ("b", "B") and not inside and after != "{":
        return f"(?-u:\\{letter})" if letter == "b" else _refused(letter)
    if letter in _OTHERWISE or not letter or letter in ("b", "B"):
        return _refused(letter)
    return f"\\{letter}"


def _refused(letter: str) -> str:
    raise ValueError(f"\\{letter} means something else in our engine")
