"""Changes of bytes that know nothing of any format."""

import random
from collections.abc import Callable, Sequence

Chance = random.Random


def bit(data: bytes, chance: Chance) -> bytes:
    if not data:
        return b"\0"
    at = chance.randrange(len(data) * 8)
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


def byte(data: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def cut(data: bytes, chance: Chance) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def grow(data: bytes, chance: Chance) -> bytes:
    return data + chance.choice((b"\0", b"}", b",{}", b"A", b"=", b"\xff", data[:16]))


def gap(data: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.randrange(1, 33) :]


def twice(data: bytes, chance: Chance) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at : at + chance.randrange(1, 33)] + data[at:]


BYTE_EDITS: Sequence[Callable[[bytes, Chance], bytes]] = (*(bit,) * 4, byte, byte, cut, grow, gap, twice)
