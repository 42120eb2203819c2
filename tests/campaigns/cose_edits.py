"""Changes to a COSE_Sign1 that keep it readable as CBOR."""

from collections.abc import Callable, Sequence
from typing import Any

from campaigns.byte_edits import Chance, bit
from campaigns.parts import cose


def header_gone(message: list[Any], chance: Chance) -> bytes | None:
    if not message[1]:
        return None
    label = chance.choice(list(message[1]))
    return cose([message[0], {k: v for k, v in message[1].items() if k != label}, *message[2:]])


def strange_header(message: list[Any], chance: Chance) -> bytes:
    label = chance.choice((4, 34, "x", -1, 11, 1, 2, 3, "io.cncf.notary.signingScheme"))
    return cose([message[0], {**message[1], label: chance.choice((b"", "x", 0, [], b"\x00"))}, *message[2:]])


def chain(message: list[Any], chance: Chance) -> bytes | None:
    old = list(message[1].get(33, ()))
    if not old:
        return None
    new = chance.choice((old[::-1], old[:-1], [*old, old[-1]], old[1:]))
    return cose([message[0], {**message[1], 33: new}, *message[2:]])


def element(message: list[Any], chance: Chance) -> bytes | None:
    index = chance.choice((0, 2, 3))
    if not isinstance(message[index], bytes):
        return None
    new = chance.choice((bit(message[index], chance), b"", None, 0, message[3], message[2]))
    return cose([new if i == index else each for i, each in enumerate(message)])


def unprotected_bit(message: list[Any], chance: Chance) -> bytes | None:
    label = chance.choice(list(message[1])) if message[1] else None
    value = message[1].get(label)
    if isinstance(value, bytes):
        return cose([message[0], {**message[1], label: bit(value, chance)}, *message[2:]])
    if isinstance(value, list | tuple) and value and all(isinstance(each, bytes) for each in value):
        at = chance.randrange(len(value))
        changed = [bit(each, chance) if i == at else each for i, each in enumerate(value)]
        return cose([message[0], {**message[1], label: changed}, *message[2:]])
    return None


def untagged(message: list[Any], chance: Chance) -> bytes:
    return bytes([chance.choice((0xD1, 0xD3, 0xC1))]) + cose(message)[1:]


def five(message: list[Any], chance: Chance) -> bytes:
    return (
        cose(message)[:1] + bytes([0x85]) + cose(message)[2:] + b"\x00" if chance.random() < 0.5 else cose(message)[1:]
    )


def longer_head(message: list[Any], chance: Chance) -> bytes:
    """Write the array's length in a longer form than needed."""
    whole = cose(message)
    return whole[:1] + b"\x98\x04" + whole[2:]


COSE_EDITS: Sequence[Callable[[list[Any], Chance], bytes | None]] = (
    *(element, unprotected_bit) * 5,
    *(chain,) * 3,
    *(untagged, five) * 2,
    *(header_gone, strange_header, longer_head),
)
