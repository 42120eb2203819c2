"""Errors of typed documents become sentences with a place."""

from collections.abc import Mapping
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import read
from preverify.model.validation import known_keys, nearest, part_at, plain, unknown_key, validate


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    secret_file: str = Field(alias="secretFile")
    size: int = 1

    @field_validator("size")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("Odd sizes are not for sale")
        return value


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    named: dict[str, Inner] = {}
    mapped: Mapping[str, Inner] = {}
    listed: tuple[Inner, ...] = ()
    maybe: Annotated[Inner | None, Field()] = None
    either: Inner | str | None = None
    nested: Annotated[int, Field(ge=1)] | None = None
    bare: dict = {}
    keyed: dict[Annotated[str, Field(max_length=3)], int] = {}


def refusal(text: str) -> str:
    (document,) = read(text.encode(), name="f.yaml")
    with pytest.raises(BadConfiguration) as caught:
        validate(Outer, document)
    return str(caught.value)


def test_what_is_right_is_returned() -> None:
    (document,) = read(b"named: {a: {secretFile: x, size: 2}}", name="f.yaml")
    assert validate(Outer, document).named["a"].secret_file == "x"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nmaed: {}", "f.yaml:1: nmaed: unknown key 'nmaed', did you mean 'named'?"),
        ("zzz: {}", "unknown key 'zzz', expected one of: bare, either, keyed, listed, mapped, maybe, named, nested"),
        ("named:\n  a: {secretFil: x}", "f.yaml:2: named.a.secretFile: is required and missing; f.yaml:2: "),
        ("named:\n  a: {secretFil: x}", "; f.yaml:2: named.a.secretFil: unknown key 'secretFil', did you mean"),
        ("named: {a: {secret_file: x}}", "unknown key 'secret_file', did you mean 'secretFile'?"),
        ("mapped: {a: {secretFile: x, sice: 2}}", "mapped.a.sice: unknown key 'sice', did you mean 'size'?"),
        ("listed:\n- {secretFile: x, size: 3}", "f.yaml:2: listed[0].size: odd sizes are not for sale"),
        (
            "listed:\n- {secretFile: x, sizes: 3}",
            "f.yaml:2: listed[0].sizes: unknown key 'sizes', did you mean 'size'?",
        ),
        ("maybe: {secretFile: x, siz: 3}", "maybe.siz: unknown key 'siz', did you mean 'size'?"),
        ("listed: 7", "f.yaml:1: listed: input should be a list"),
        ("named: 7", "f.yaml:1: named: input should be a mapping"),
        ("keyed: {long-key: 1}", "f.yaml:1: keyed.long-key: string should have at most 3 characters"),
        ("either: {a: 1}", "f.yaml:1: either"),
    ],
)
def test_sentences_name_the_place_and_the_nearest_key(text: str, sentence: str) -> None:
    assert sentence in refusal(text)


def test_many_problems_are_counted() -> None:
    message = refusal("{" + ", ".join(f"zz{n}: 1" for n in range(9)) + "}")
    assert message.count("unknown key") == 5
    assert message.endswith("; and 4 more")


def test_nearness_ignores_case_and_underscores() -> None:
    assert nearest("SECRET_FILE", ["secretFile", "size"]) == "secretFile"
    assert nearest("quite different", ["secretFile", "size"]) == ""
    assert unknown_key("x", []) == "unknown key 'x', expected one of: "


def test_annotations_are_found_by_path() -> None:
    assert known_keys(Inner) == ("secretFile", "size")
    assert part_at(Outer, ("named", "a", "size")) is int
    assert part_at(Outer, ("named", "a", "gone")) is None
    assert part_at(Outer, ("named", "a", "size", "deeper")) is None
    assert part_at(Outer, ("bare", "x")) is None
    assert plain(part_at(Outer, ("maybe",))) is Inner
    assert plain(part_at(Outer, ("nested",))) is int
    assert plain(part_at(Outer, ("either",))) == (Inner | str | None)
