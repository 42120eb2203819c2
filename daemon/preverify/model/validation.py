"""From plain values to typed documents: errors become sentences with file, line and the nearest known key."""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, RootModel, ValidationError

from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document

_SHOWN = 5
_UNIONS = (types.UnionType, typing.Union)
_Model = typing.TypeVar("_Model", bound=BaseModel)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` most looks like, ignoring case and underscores; empty where none is near."""
    folded = {_fold(k): k for k in sorted(known, reverse=True)}
    close = difflib.get_close_matches(_fold(word), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else ""


def unknown_key(word: str, known: Iterable[str]) -> str:
    """Write the sentence about an unknown key.

    >>> unknown_key("vaildFor", ["validFor", "mode"])
    "unknown key 'vaildFor', did you mean 'validFor'?"
    """
    words = sorted(known)
    near = nearest(word, words)
    if near:
        return f"unknown key {word[:80]!r}, did you mean {near!r}?"
    return f"unknown key {word[:80]!r}, expected one of: {', '.join(words)}"


def validate(model: type[_Model], document: Document) -> _Model:
    """Return the typed form of a document.

    Raises:
        BadConfiguration: the first errors, each with file, line and path.
    """
    try:
        return model.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    sentences = []
    for problem in problems[:_SHOWN]:
        path = _written(problem["loc"])
        sentences.append((document.where(path), _sentence(model, path, problem["type"], problem["msg"])))
    where, detail = sentences[0]
    more = [f"{place}: {sentence}" for place, sentence in sentences[1:]]
    left = len(problems) - len(sentences)
    if left:
        more.append(f"and {left} more")
    raise BadConfiguration("; ".join([detail, *more]), where=where)


def known_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys of a typed document as they are written."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def part_at(model: type[BaseModel], path: Iterable[str | int]) -> object:
    """Return the annotation of what stands at `path` below `model`; None where nothing is known there."""
    annotation: object = model
    for step in path:
        annotation = _step(annotation, step)
    return annotation


def _sentence(model: type[BaseModel], path: tuple[str | int, ...], kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        above = plain(part_at(model, path[:-1]))
        known = known_keys(above) if isinstance(above, type) and issubclass(above, BaseModel) else ()
        return unknown_key(str(path[-1]), known)
    if kind == "missing":
        return "is required and missing"
    text = (
        message.removeprefix("Value error, ")
        .replace("a valid tuple", "a list")
        .replace("a valid dictionary", "a mapping")
    )
    return text[:1].lower() + text[1:]


def _written(loc: tuple[int | str, ...]) -> tuple[str | int, ...]:
    # pydantic marks a refused mapping key by a last step "[key]"; people look for the key itself
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def plain(annotation: object) -> object:
    """Strip `Annotated`, `| None` and models of a bare value from an annotation."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, type) and issubclass(annotation, RootModel):
            annotation = annotation.model_fields["root"].annotation
        elif origin in _UNIONS:
            rest = [a for a in typing.get_args(annotation) if a is not type(None)]
            if len(rest) != 1:
                return annotation
            annotation = rest[0]
        else:
            return annotation


def _step(annotation: object, step: str | int) -> object:
    annotation = plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if step == (field.alias or name):
                return field.annotation
        return None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (dict, Mapping) and arguments:
        return arguments[1]
    if origin in (list, tuple) and arguments:
        return arguments[0]
    return None


def _fold(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
