"""What all written documents share: strict parts that name what they do not know, and what a later version will."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from preverify.model import globs
from preverify.model.digest import Digest
from preverify.model.durations import parse_duration
from preverify.model.errors import BadInput

NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
"""What policies, signers, rules and roots may be called: nothing of it leads out of a directory."""


class Part(BaseModel):
    """A mapping of a document. Unknown keys are refused, and known words that this version cannot honour as well."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    later: ClassVar[Mapping[str, str]] = {}
    """Keys of the language that this version does not have, each with what to do instead."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_not_there_yet(cls, value: object) -> object:
        # Silence would be a bypass: a condition that is written and not checked looks like protection.
        for key in value if isinstance(value, dict) else ():
            if key in cls.later:
                raise ValueError(f"{key!r} is not in this version of preverify: {cls.later[key]}")
        return value


def _name(text: str) -> str:
    if NAME.fullmatch(text) is None:
        raise ValueError(
            f"{text[:80]!r} is not a name, expected 1 to 63 of a-z, 0-9, '-' and '.', no '-' or '.' at an end"
        )
    return text


Name = Annotated[str, AfterValidator(_name)]


def _glob(text: str) -> str:
    try:
        return globs.check(text)
    except BadInput as error:
        raise ValueError(str(error)) from error


def distinct(words: Iterable[str] | None) -> tuple[str, ...]:
    """Return words of which neither the order nor the number means anything."""
    return tuple(sorted(set(words or ())))


def _digest(text: str) -> str:
    try:
        return str(Digest.parse(text))
    except BadInput as error:
        raise ValueError(str(error)) from error


DigestWord = Annotated[str, AfterValidator(_digest)]
Glob = Annotated[str, AfterValidator(_glob)]
Globs = Annotated[tuple[Glob, ...], Field(min_length=1, strict=False)]


def whole_seconds(*, up_to_days: int) -> BeforeValidator:
    """Return the reader of a time span of whole seconds."""

    def read(value: object) -> timedelta:
        span = parse_duration(value)
        if not timedelta(seconds=1) <= span <= timedelta(days=up_to_days) or span.microseconds:
            raise ValueError(f"{value} is out of range, expected whole seconds from 1s to {up_to_days}d")
        return span

    return BeforeValidator(read)


in_seconds = PlainSerializer(lambda value: f"{int(value.total_seconds())}s")
"""Writes such a span."""


def _moment(value: object) -> datetime:
    text = value.isoformat() if isinstance(value, datetime) else value
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f'{str(value)[:40]!r} is no moment, expected a quoted text like "2026-01-02T00:00:00Z"')
    return moment.astimezone(UTC)


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
    PlainSerializer(lambda value: value.isoformat()),
]


Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Text for people, on one line."""


class Metadata(Part):
    """How the document is named."""

    name: Name


def deny_or_allow(deny: tuple[str, ...] | None, allow: tuple[str, ...] | None) -> None:
    """Check the two lists of a demand that denies some and allows others.

    Raises:
        ValueError: neither is written, or something stands in both.
    """
    if deny is None and allow is None:
        raise ValueError("neither denies nor allows anything, expected deny: […], allow: […] or both")
    both = {*(deny or ())} & {*(allow or ())}
    if both:
        raise ValueError(f"{min(both)[:80]!r} is both denied and allowed; what is denied is never allowed")
