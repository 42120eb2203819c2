"""A bounded memory of what was used last."""

from collections.abc import Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """Remembers at least the `size` entries that were used last and at most twice as many.

    Two dictionaries take turns, so that neither reading nor forgetting ever costs more than a few dictionary accesses,
    whatever callers put in. Safe to use from several threads: at worst an entry is forgotten early.

    >>> memory: Recent[str, int] = Recent(2)
    >>> for number, name in enumerate("abcd"):
    ...     memory.put(name, number)
    >>> memory.get("d"), memory.get("a")
    (3, None)
    """

    __slots__ = ("_older", "_size", "_young")

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[_K, _V] = {}
        self._older: dict[_K, _V] = {}

    def get(self, key: _K) -> _V | None:
        """Return what was put under `key`, None where it is not remembered."""
        found = self._young.get(key)
        if found is None:
            found = self._older.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: _K, value: _V) -> None:
        """Remember `value`."""
        if len(self._young) >= self._size:
            self._older, self._young = self._young, {}
        self._young[key] = value

    def __len__(self) -> int:
        return len(self._young) + len(self._older)
