"""Distinguished names as Notation trust policies compare them: text and certificate subjects in one form."""

import re
from collections.abc import Mapping

from preverify.model.errors import BadInput

Name = tuple[tuple[str, str], ...]
"""Pairs of attribute type and value, sorted; each type once."""

TYPES: Mapping[str, str] = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.17": "POSTALCODE",
}
"""Object identifiers of the attribute types that are compared. notation knows no others."""

MAX_NAME = 2048
_KNOWN = frozenset(TYPES.values())
_MANDATORY = ("C", "ST", "O")
_SPECIAL = ' "#+,;<=>\\'
# A value ends at the first bare comma or plus. A quote, semicolon or angle bracket is never bare in a value.
_VALUE = re.compile(r'(?:[^"+,;<>\\\x00]|\\[ "#+,;<=>\\]|\\[0-9A-Fa-f]{2})*')
_PAIR = re.compile(r"(?:\\[0-9A-Fa-f]{2})+|\\.", re.DOTALL)


def parse_name(text: str) -> Name:
    r"""Read a distinguished name as people write it: `C=US, ST=WA, O=acme`.

    Raises:
        BadInput: not such a name; an attribute type that notation does not compare, stands twice or shares a part with
            another (`+`); a value in hexadecimal; `C`, `ST` (or `S`) or `O` is missing.

    Spec:
        RFC 4514, section 3, with spaces around separators, as people write them; Notary Project, trust store and trust
        policy, "Trusted Identities Constraints".

    >>> parse_name("CN=a\\, b, O=acme, S=WA, C=US")
    (('C', 'US'), ('CN', 'a, b'), ('O', 'acme'), ('ST', 'WA'))
    """
    if len(text) > MAX_NAME:
        raise BadInput(f"a name of {len(text)} characters, at most {MAX_NAME} are read")
    found: dict[str, str] = {}
    position = 0
    while True:
        kind, position = _type(text, position)
        value, position = _value(text, position)
        if kind in found:
            raise BadInput(f"{kind} stands twice")
        found[kind] = value
        if position == len(text):
            return checked(found)
        if text[position] == "+":
            raise BadInput(f"{kind} shares its part with another attribute ('+'), which is not supported")
        if text[position] != ",":
            raise BadInput(f"{text[position]!r} has to be written as \\{text[position]} inside a value")
        position += 1


def checked(found: Mapping[str, str]) -> Name:
    """Return attributes as a name. Raises BadInput where one that every name needs is missing."""
    missing = [kind for kind in _MANDATORY if not found.get(kind)]
    if missing:
        raise BadInput(f"{', '.join(missing)} is missing; C, ST (or S) and O are needed at least")
    return tuple(sorted(found.items()))


def covers(identity: Name, subject: Name) -> bool:
    """Say whether every attribute of `identity` stands in `subject` with exactly its value."""
    return set(identity) <= set(subject)


def _type(text: str, position: int) -> tuple[str, int]:
    end = text.find("=", position)
    if end < 0:
        raise BadInput(f"{text[position:][:40]!r} is no attribute, expected TYPE=value")
    kind = text[position:end].strip(" ").upper()
    kind = "ST" if kind == "S" else kind
    if kind not in _KNOWN:
        raise BadInput(f"attribute type {kind[:40]!r} is not compared, expected one of {', '.join(sorted(_KNOWN))}")
    return kind, end + 1


def _value(text: str, position: int) -> tuple[str, int]:
    end = next(_VALUE.finditer(text, position)).end()  # it matches at `position`, at least nothing
    if end < len(text) and text[end] == "\\":
        raise BadInput(f"{text[end : end + 3]!r} is no escape")
    raw = text[position:end].lstrip(" ")
    if raw.startswith("#"):
        raise BadInput("a value in hexadecimal ('=#') is not supported")
    bare = raw.rstrip(" ")
    if bare.endswith("\\") and len(bare) != len(raw) and _odd(bare):  # the last space is escaped and stays
        bare += " "
    try:
        value = _PAIR.sub(lambda found: _unescaped(found.group()), bare)
    except UnicodeDecodeError as error:
        raise BadInput("an escaped value is not UTF-8") from error
    if not value:
        raise BadInput("a value is empty")
    return value, end


def _odd(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _unescaped(escape: str) -> str:
    if escape[1] in _SPECIAL:
        return escape[1]
    return bytes.fromhex(escape.replace("\\", "")).decode()
