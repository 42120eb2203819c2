"""Where the values of a JSON text stand, so that one can be replaced and everything else stays byte for byte."""

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring
from typing import Any

Path = tuple[str | int, ...]
_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"[^,\]\}\s]+")


class Spans:
    """The values of a JSON text by path, each with the part of the text that spells it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.values: dict[Path, tuple[int, int]] = {}
        self.keys: dict[Path, tuple[int, int]] = {}
        self._value((), _skip(text, 0))

    def at(self, path: Path) -> Any:
        """Return the value at a path."""
        start, end = self.values[path]
        return json.loads(self.text[start:end])

    def has(self, path: Path) -> bool:
        """Say whether there is a value at a path."""
        return path in self.values

    def put(self, path: Path, value: Any) -> str:
        """Return the text with another value at a path."""
        return self.put_text(path, json.dumps(value, separators=(",", ":"), ensure_ascii=False))

    def put_text(self, path: Path, text: str) -> str:
        """Return the text with another spelling at a path."""
        start, end = self.values[path]
        return self.text[:start] + text + self.text[end:]

    def spelled(self, path: Path) -> str:
        """Return the text of a value."""
        start, end = self.values[path]
        return self.text[start:end]

    def leaves(self) -> Iterator[Path]:
        """Return the paths of all values that are neither objects nor arrays."""
        return (path for path, (start, _) in self.values.items() if self.text[start] not in "[{")

    def _value(self, path: Path, at: int) -> int:
        text, start = self.text, at
        if text[at] == '"':
            _, at = scanstring(text, at + 1)
        elif text[at] == "{":
            at = self._members(path, at)
        elif text[at] == "[":
            at = self._elements(path, at)
        else:
            match = _PLAIN.match(text, at)
            assert match is not None
            at = match.end()
        self.values[path] = (start, at)
        return at

    def _members(self, path: Path, at: int) -> int:
        text = self.text
        at = _skip(text, at + 1)
        while text[at] != "}":
            start = at
            name, at = scanstring(text, at + 1)
            self.keys[(*path, name)] = (start, at)
            at = _skip(text, _skip(text, at) + 1)
            at = _skip(text, self._value((*path, name), at))
            at = _skip(text, at + 1) if text[at] == "," else at
        return at + 1

    def _elements(self, path: Path, at: int) -> int:
        text = self.text
        at = _skip(text, at + 1)
        number = 0
        while text[at] != "]":
            at = _skip(text, self._value((*path, number), at))
            at = _skip(text, at + 1) if text[at] == "," else at
            number += 1
        return at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def spans_of(data: bytes | str) -> Spans | None:
    """Return where the values of a JSON text stand; None for anything else."""
    try:
        text = data if isinstance(data, str) else data.decode()
        json.loads(text)
        return Spans(text)
    except (ValueError, IndexError, RecursionError):
        return None
