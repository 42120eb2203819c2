"""Changes to a JSON text that keep its form, more or less."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from campaigns.byte_edits import Chance, bit
from campaigns.spans import Path, Spans

_STRANGE: Sequence[Any] = (None, True, 0, -1, 2**53 + 1, 1.5, "", "A", "====", [], {}, [None], {"a": 1}, "\u0000", "é")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")


def other_type(spans: Spans, chance: Chance) -> str:
    """Put something of another type in the place of a value."""
    return spans.put(chance.choice(list(spans.values)), chance.choice(_STRANGE))


def gone(spans: Spans, chance: Chance) -> str | None:
    """Leave out a member or an element."""
    return _edited(spans, chance, lambda holder, key: holder.pop(key))


def strange_member(spans: Spans, chance: Chance) -> str | None:
    """Add a member that nobody knows."""
    document = spans.at(())
    holder = _pick(document, chance, dict)
    if holder is None:
        return None
    holder[chance.choice(("x", "comment", "$schema"))] = chance.choice(_STRANGE)
    return _dump(document)


def doubled(spans: Spans, chance: Chance) -> str | None:
    """Say one member twice in the text, the second time with another value."""
    if not spans.keys:
        return None
    path = chance.choice(list(spans.keys))
    start = spans.keys[path][0]
    again = f"{json.dumps(path[-1])}:{chance.choice((spans.spelled(path), 'null', '0'))},"
    return spans.text[:start] + again + spans.text[start:]


def other_case(spans: Spans, chance: Chance) -> str | None:
    """Spell a member's name in another case."""
    if not spans.keys:
        return None
    start, end = spans.keys[chance.choice(list(spans.keys))]
    name = spans.text[start:end]
    return spans.text[:start] + chance.choice((name.upper(), name.lower(), name.capitalize())) + spans.text[end:]


def other_list(spans: Spans, chance: Chance) -> str | None:
    """Reverse a list, say its first element twice, or put another list into it."""
    document = spans.at(())
    holder = _pick(document, chance, list)
    if not holder:
        return None
    chance.choice((holder.reverse, lambda: holder.append(holder[0]), lambda: holder.append([])))()
    return _dump(document)


def number(spans: Spans, chance: Chance) -> str | None:
    """Change a number a little, whether it stands as one or as text."""
    numbers = [path for path in spans.leaves() if re.fullmatch(r'"?\d{1,19}"?', spans.spelled(path))]
    if not numbers:
        return None
    path = chance.choice(numbers)
    old = spans.at(path)
    new = max(0, int(old) + chance.choice((-1, 1, 1000, 2**40)))
    return spans.put(path, chance.choice((str(new), new)))


def inside(spans: Spans, chance: Chance) -> str | None:
    """Turn a bit of what a text encodes in base64."""
    encoded = [path for path in spans.leaves() if _BASE64.fullmatch(spans.spelled(path)[1:-1])]
    if not encoded:
        return None
    # A long value has more bits than a short one, and each bit is as likely as another.
    path = chance.choices(encoded, weights=[len(spans.spelled(each)) for each in encoded])[0]
    text = spans.at(path)
    raw = _decoded(text) if isinstance(text, str) else None
    return None if raw is None else spans.put(path, _encoded(bit(raw, chance), text))


def spelling(spans: Spans, chance: Chance) -> str | None:
    """Spell the same value differently."""
    leaves = list(spans.leaves())
    if not leaves:
        return None
    path = chance.choice(leaves)
    value = spans.at(path)
    choices = [spans.put_text(path, f" {spans.spelled(path)}\n")]
    if isinstance(value, str) and value:
        escaped = f'"\\u{ord(value[0]) & 0xFFFF:04x}{spans.spelled(path)[2:]}' if value[0].isalnum() else '""'
        choices += [
            spans.put_text(path, escaped),
            spans.put(path, value.rstrip("=")),
            spans.put(path, value.replace("+", "-").replace("/", "_")),
            spans.put(path, value[:4] + "\n" + value[4:]),
            spans.put(path, value + "\n"),
            spans.put(path, _other_bits(value)),
        ]
    return chance.choice(choices)


def _other_bits(text: str) -> str:
    """Set the bits of the last character of base64 that no byte needs."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    if len(text) == len(bare) or bare[-1:] not in alphabet or not bare:
        return text
    return bare[:-1] + alphabet[alphabet.index(bare[-1]) ^ 1] + text[len(bare) :]


def swapped(spans: Spans, chance: Chance) -> str | None:
    """Put one text in the place of another."""
    texts = [path for path in spans.leaves() if isinstance(spans.at(path), str)]
    if len(texts) < 2:
        return None
    one, other = chance.sample(texts, 2)
    return spans.put_text(one, spans.spelled(other))


JSON_EDITS: Sequence[Callable[[Spans, Chance], str | None]] = (
    *(other_type,) * 2,
    *(gone,) * 3,
    *(doubled, other_case, other_list) * 2,
    *(number,) * 3,
    *(inside,) * 8,
    *(strange_member, spelling, swapped),
)


def _edited(spans: Spans, chance: Chance, edit: Callable[[Any, Any], object]) -> str | None:
    document = spans.at(())
    paths = [path for path in spans.values if path]
    if not paths:
        return None
    path = chance.choice(paths)
    edit(_holder(document, path), path[-1])
    return _dump(document)


def _holder(document: Any, path: Path) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def _pick(document: Any, chance: Chance, kind: type) -> Any:
    found: list[Any] = []
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, kind):
            found.append(value)
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return chance.choice(found) if found else None


def _dump(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None


def _encoded(data: bytes, like: str) -> str:
    """Encode as another text was: with or without padding, in its alphabet."""
    text = base64.b64encode(data).decode()
    if len(like) % 4 or "-" in like or "_" in like:
        return text.rstrip("=").replace("+", "-").replace("/", "_")
    return text
