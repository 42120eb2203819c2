"""Configuration from defaults, the file, the environment and flags, each over the one before."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from preverify.model import strict_yaml
from preverify.model.errors import BadConfiguration
from preverify.model.strict_yaml import Document
from preverify.model.validation import known_keys, part_at, plain, unknown_key, validate
from preverify.settings.sections import Settings

_PREFIX = "PREVERIFY__"
_MAX_SECRET_BYTES = 64 << 10
_PASSWORD = re.compile(r"(?<=://)([^:/@]*):([^@/]+)@")
_PASSWORD_PARAMETER = re.compile(r"([?&](?:password|sslpassword)=)[^&]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings with where each value came from, by path as written (`listen.address`)."""

    settings: Settings
    origins: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """Return the settings as plain values to show; passwords in URLs are masked."""
        shown = self.settings.model_dump(mode="json", by_alias=True)
        shown["database"]["url"] = without_password(shown["database"]["url"])
        return shown


def load(path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object]) -> Settings:
    """Load the configuration.

    Args:
        path: The file; None for defaults, environment and flags alone. Relative paths in any of them are relative to
            the file's directory.
        env: The environment; only names with `PREVERIFY__` are read.
        overrides: Values from flags by path as written, `{"listen.address": "127.0.0.1:0"}`.

    Raises:
        BadConfiguration: with file, line and path, or the name of the variable.
    """
    return load_with_origins(path, env, overrides).settings


def load_with_origins(path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object]) -> Loaded:
    """Load the configuration as `load` does, and say where each value came from."""
    document = _Layered(name="configuration", value={}, lines={}) if path is None else _read_file(path)
    for variable in sorted(name for name in env if name.startswith(_PREFIX)):
        _apply_variable(document, variable, env[variable])
    for dotted_path, value in overrides.items():
        document.put(tuple(dotted_path.split(".")), value, "flag")
    settings: Settings = validate(Settings, document)
    if path is not None:
        settings = _resolved(settings, path.absolute().parent)
    settings = _with_database_url(settings, document)
    shown = settings.model_dump(mode="json", by_alias=True)
    return Loaded(settings=settings, origins={strict_yaml.dotted(p): document.origin(p) for p in _leaves(shown, ())})


def without_password(url: str) -> str:
    """Return a database URL with its password masked.

    >>> without_password("postgresql+psycopg://me:secret@db/name")
    'postgresql+psycopg://me:***@db/name'
    """
    return _PASSWORD_PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layered(Document):
    """The file's values with those of environment and flags laid over them."""

    laid: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    def put(self, path: tuple[str, ...], value: object, origin: str) -> None:
        inner: Any = self.value
        for step in path[:-1]:
            if not isinstance(inner.get(step), dict):
                inner[step] = {}
            inner = inner[step]
        inner[path[-1]] = value
        self.laid[path] = origin

    def origin(self, path: tuple[str | int, ...]) -> str:
        above = path
        while above:
            if above in self.laid:
                return self.laid[above]
            if above in self.lines:
                # Only what is written itself: a section that is there does not make its other keys come from the file.
                return f"{self.name}:{self.lines[above]}" if above == path or isinstance(path[-1], int) else "default"
            above = above[:-1]
        return "default"

    def where(self, path: tuple[str | int, ...]) -> str:
        above = path
        while above:
            if above in self.laid:
                return f"{self.laid[above]}: {strict_yaml.dotted(path)}"
            above = above[:-1]
        return Document.where(self, path)


def _read_file(path: Path) -> _Layered:
    documents = strict_yaml.read(read_bounded(path, strict_yaml.MAX_BYTES), name=str(path))
    if len(documents) > 1:
        raise BadConfiguration(f"holds {len(documents)} YAML documents, expected one", where=str(path))
    if not documents:
        return _Layered(name=str(path), value={}, lines={})
    if not isinstance(documents[0].value, dict):
        raise BadConfiguration("expected a mapping with apiVersion and kind", where=documents[0].where(()))
    return _Layered(name=str(path), value=documents[0].value, lines=documents[0].lines)


def _apply_variable(document: _Layered, variable: str, text: str) -> None:
    """Lay one environment variable over the document. Its words find keys without regard to case and underscores."""
    origin = f"environment {variable}"
    path: tuple[str, ...] = ()
    for word in variable.removeprefix(_PREFIX).split("__"):
        part = plain(part_at(Settings, path))
        if isinstance(part, type) and issubclass(part, BaseModel):
            known = known_keys(part)
            key = next((k for k in known if k.lower() == word.replace("_", "").lower()), None)
            if key is None:
                raise BadConfiguration(unknown_key(word.lower(), known), where=origin)
        elif path == ("sources",):
            key = word.lower().replace("_", "-")
        else:
            raise BadConfiguration(f"{strict_yaml.dotted(path)} holds no keys, so {word!r} leads nowhere", where=origin)
        path = (*path, key)
    try:
        value = text if _is_text(plain(part_at(Settings, path))) else strict_yaml.scalar(text)
    except BadConfiguration as error:
        raise BadConfiguration(error.detail, where=origin) from error
    document.put(path, value if value != "" else None, origin)


def _is_text(annotation: object) -> bool:
    return annotation in (str, Path, timedelta) or getattr(annotation, "__origin__", None) is Literal


def _resolved(part: Any, base: Path) -> Any:
    """Return settings with every relative path taken from `base`."""
    if isinstance(part, Path):
        return base / part
    if isinstance(part, dict):
        return {key: _resolved(value, base) for key, value in part.items()}
    if isinstance(part, BaseModel):
        return part.model_copy(update={name: _resolved(getattr(part, name), base) for name in type(part).model_fields})
    return part


def _with_database_url(settings: Settings, document: _Layered) -> Settings:
    """Take the URL from its file where one is named; refuse a password that is written down anywhere else."""
    database = settings.database
    where = document.where(("database", "url"))
    if database.url_file is not None:
        where = str(database.url_file)
        try:
            url = read_bounded(database.url_file, _MAX_SECRET_BYTES).decode().strip()
        except UnicodeDecodeError as error:
            raise BadConfiguration("not UTF-8 text", where=where) from error
        database = database.model_copy(update={"url": url})
        settings = settings.model_copy(update={"database": database})
    elif without_password(database.url) != database.url:
        raise BadConfiguration("holds a password; put the URL into a file and name it as database.urlFile", where=where)
    if not database.url.startswith(("sqlite://", "postgresql+psycopg://")):
        seen = database.url.partition(":")[0][:40]
        raise BadConfiguration(f"is for {seen!r}, expected sqlite:// or postgresql+psycopg://", where=where)
    return settings


def read_bounded(path: Path, limit: int) -> bytes:
    """Return what a file holds.

    Raises:
        BadConfiguration: it cannot be read, or is longer than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadConfiguration(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > limit:
        raise BadConfiguration(f"is longer than {limit} bytes", where=str(path))
    return data


def _leaves(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, key))]
    return [path]
