"""Every call that a verification makes into `verify`, found by making it; each can then be made to fail."""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import pytest

import preverify.verify
from preverify.model import digest, evidence, globs, strict_json, trust
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.refusal import Refused

ERRORS: tuple[Exception, ...] = (
    ValueError("x"),
    TypeError("x"),
    KeyError("x"),
    RuntimeError("x"),
    RecursionError("x"),
    MemoryError("x"),
    AssertionError("x"),
    UnicodeError("x"),
    OverflowError("x"),
    MalformedEvidence(Reason.PAYLOAD_MALFORMED, "x"),
    Refused(Reason.SIGNATURE_INVALID, "x"),
    Refused(Reason.TIMESTAMP_UNTRUSTED, "x"),
    Refused(Reason.LOG_UNTRUSTED, "x"),
)
"""What libraries raise, and what the checks themselves do: the last two are those that another entry or stamp heals."""


def modules() -> tuple[ModuleType, ...]:
    """Return every module of `verify`."""
    names = [each.name for each in pkgutil.walk_packages(preverify.verify.__path__, "preverify.verify.")]
    return (preverify.verify, *map(import_module, names))


def places() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Return (owner, name, what stands there) of every function that a name of `verify`, or of a value it reads, is."""
    classes: dict[type, None] = {}
    for module in modules():
        for name, found in vars(module).items():
            if isinstance(found, type) and found.__module__ == module.__name__:
                classes[found] = None
            elif isinstance(found, FunctionType) or hasattr(found, "cache_clear"):
                yield module, name, found
    for module in (digest, evidence, globs, strict_json, trust):
        classes |= {found: None for found in vars(module).values() if isinstance(found, type)}
    for owner in classes:
        for name, found in list(vars(owner).items()):
            if (
                isinstance(found, FunctionType)
                and not name.startswith("__")
                and owner.__module__.startswith("preverify")
            ):
                yield owner, name, found


def called(by: Callable[[], object]) -> list[tuple[Any, str]]:
    """Return the places that `by` calls."""
    seen: dict[tuple[int, str], tuple[Any, str]] = {}

    def noting(owner: Any, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def note(*args: Any, **kwargs: Any) -> Any:
            seen[id(owner), name] = (owner, name)
            return original(*args, **kwargs)

        return note

    forget()
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, original in places():
            patch.setattr(owner, name, noting(owner, name, original))
        by()
    return list(seen.values())


def forget() -> None:
    """Empty every cache of `verify`: what is prepared already would hide a broken call."""
    for module in modules():
        for found in vars(module).values():
            if hasattr(found, "cache_clear"):
                found.cache_clear()


@contextmanager
def failing(owner: Any, name: str, error: Exception) -> Iterator[list[int]]:
    """Let one place raise `error`; the list has an element for each call."""
    calls: list[int] = []

    def fail(*_: object, **__: object) -> None:
        calls.append(1)
        raise error

    forget()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, fail)
        yield calls


def title(owner: Any, name: str) -> str:
    """Return how a place is called, without the package: `verify.logs: check_entry`."""
    module = owner if inspect.ismodule(owner) else inspect.getmodule(owner)
    assert module is not None
    where = module.__name__.removeprefix("preverify.")
    return f"{where}: {name}" if owner is module else f"{where}: {owner.__name__}.{name}"
