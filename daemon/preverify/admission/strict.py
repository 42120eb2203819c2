"""Decoding of request bodies: fast where the body is plain, strict always."""

from typing import TypeVar

import msgspec

from preverify.model import strict_json
from preverify.model.errors import BadInput, MalformedEvidence

_T = TypeVar("_T")
_generic = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


def decode(decoder: msgspec.json.Decoder[_T], body: bytes, *, max_bytes: int) -> _T:
    """Return `body` decoded into the decoder's type.

    No member may stand twice: a reader behind us could take the other one. The common body comes from a machine and is
    its own canonical form; encoding it again gives the same bytes, and an encoder never writes a member twice. Only
    bodies that differ pay for the strict parser.

    Raises:
        BadInput: too large, no JSON, a repeated member, or not of the decoder's type; says where.
    """
    if not body:
        raise BadInput("the body is empty, expected a JSON object")
    if len(body) > max_bytes:
        raise BadInput(f"the body has {len(body)} bytes, expected at most {max_bytes}")
    try:
        if _encode(_generic.decode(body)) != body.rstrip(b"\n"):
            strict_json.parse(body, max_bytes=max_bytes)
        return decoder.decode(body)
    except msgspec.DecodeError as error:  # malformed JSON and wrong types alike
        raise BadInput(f"the body cannot be read: {error}") from error
    except (RecursionError, UnicodeDecodeError) as error:
        raise BadInput("the body cannot be read: nested too deeply or not UTF-8") from error
    except MalformedEvidence as error:
        raise BadInput(f"the body cannot be read: {error}") from error
