"""What an image says of itself: its manifest and its configuration, read strictly, for the rules that look at them.

Both are covered by the image's digest, so whoever stands for the image stands for them; by themselves they are no more
than what the builder says.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar

from preverify.model import strict_json
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence
from preverify.model.evidence import Gathered, Unobtained
from preverify.model.reasons import Reason
from preverify.model.verdicts import Outcome

Pairs = tuple[tuple[str, str], ...]

MAX_MANIFEST = 4 << 20
MAX_CONFIG = 1 << 20
"""Rules compare names in it with globs, which takes time for each character; real ones are a hundred times smaller."""
CONFIGS = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
"""Media types of configurations of images that run. Anything else under `config` makes an artifact of another kind."""

_CONFIGURATION = "configuration"
_REMEMBERED = 256 << 10  # larger ones are read each time: what is remembered is bounded whatever registries send
_FIRST_YEAR = 1981  # reproducible builds write 0001, 1970 or 1980-01-01 for "no time"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_CONFIG = ("User", "Env", "Labels", "Entrypoint", "Cmd", "ExposedPorts", "Volumes", "WorkingDir")
_IMAGE = ("created", "os", "architecture", "variant", "config", "rootfs", "history")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """What a manifest or index says.

    Attributes:
        annotations: Sorted by key. Signed by nobody but whoever signs the image.
        config_type: Media type of the configuration; empty where there is none.
        layers: Digests of the layers, in order.
        size: Bytes of all layers together, as they are pulled.
    """

    annotations: Pairs = ()
    config_type: str = ""
    layers: tuple[Digest, ...] = ()
    size: int = 0

    def annotation(self, key: str) -> str:
        """Return an annotation; empty where it does not stand."""
        return dict(self.annotations).get(key, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFacts:
    """What the configuration of an image says. What it leaves out is empty.

    Attributes:
        user: `user`, `uid`, `user:group` and so on, as written; empty: root.
        env: Names and values in order; of an entry without `=`, only the name.
        labels: Sorted by key.
        ports: As written, like `8080/tcp`, sorted.
        volumes: Paths, sorted.
        created: None where nothing is said, or a date that reproducible builds write for "no time".
        history: Number of entries.
        diff_ids: Digests of the unpacked layers, in order.
    """

    user: str = ""
    env: Pairs = ()
    labels: Pairs = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    workdir: str = ""
    created: datetime | None = None
    os: str = ""
    architecture: str = ""
    variant: str = ""
    history: int = 0
    diff_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What both say."""

    manifest: ManifestFacts
    config: ConfigFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Why there are no facts: they could not be obtained (undecided), or what was obtained has none (failed)."""

    outcome: Outcome
    reason: Reason
    detail: str


def manifest_facts(gathered: Gathered | None) -> ManifestFacts | Unread:
    """Return what the manifest says."""
    if gathered is None:
        return _unobtained(())
    try:
        return _read(_manifest, _remembered_manifest, gathered.image.manifest)
    except MalformedEvidence as error:
        return _void(error.reason, f"the manifest: {error.detail}")


def image_facts(gathered: Gathered | None) -> ImageFacts | Unread:
    """Return what manifest and configuration say. Only a manifest of an image has a configuration."""
    if gathered is None:
        return _unobtained(())
    if gathered.image.is_index:
        return _void(Reason.PAYLOAD_TYPE_MISMATCH, "an index has no configuration, only its manifests have")
    manifest, config = manifest_facts(gathered), gathered.config
    if isinstance(manifest, Unread):
        return manifest
    if manifest.config_type not in CONFIGS:
        kind = manifest.config_type[:120] or "nothing"
        return _void(Reason.PAYLOAD_TYPE_MISMATCH, f"its configuration is {kind!r}, and no image that runs has such")
    if config is None:
        return _unobtained(gathered.unobtained)
    if config.flaw is not None:
        return _void(config.flaw.reason, config.flaw.detail)
    try:
        return ImageFacts(manifest=manifest, config=_read(_config, _remembered_config, config.body))
    except MalformedEvidence as error:
        return _void(error.reason, f"the configuration: {error.detail}")


def said(moment: datetime) -> datetime | None:
    """Return a time, or None where it is what reproducible builds write for "no time"."""
    return moment if moment.year >= _FIRST_YEAR else None


def _void(reason: Reason, detail: str) -> Unread:
    return Unread(outcome=Outcome.FAILED, reason=reason, detail=detail)


def _unobtained(unobtained: Sequence[Unobtained]) -> Unread:
    if unobtained:
        first = next((each for each in unobtained if each.what == _CONFIGURATION), unobtained[0])
        return Unread(outcome=Outcome.UNDECIDED, reason=first.reason, detail=f"{first.what}: {first.detail}")
    detail = "the image's configuration was not read when it was last looked at"
    return Unread(outcome=Outcome.UNDECIDED, reason=Reason.REGISTRY_UNAVAILABLE, detail=detail)


def _read(read: Callable[[bytes], _T], remembered: Callable[[bytes], _T], data: bytes) -> _T:
    return (remembered if len(data) <= _REMEMBERED else read)(data)


def _manifest(data: bytes) -> ManifestFacts:
    document = _Object(strict_json.parse(data, max_bytes=MAX_MANIFEST), "it", ("config", "layers", "annotations"))
    config = document.inner("config", ("mediaType",))
    layers = [_Object(each, "a layer", ("digest", "size")) for each in document.items("layers")]
    return ManifestFacts(
        annotations=document.pairs("annotations"),
        config_type=config.text("mediaType"),
        layers=tuple(layer.digest("digest") for layer in layers),
        size=sum(layer.count("size") for layer in layers),
    )


def _config(data: bytes) -> ConfigFacts:
    """Read a configuration.

    Spec:
        OCI image-spec, "OCI Image Configuration"; docker's image specification v1.3 names the same members.
    """
    image = _Object(strict_json.parse(data, max_bytes=MAX_CONFIG), "it", _IMAGE)
    config = image.inner("config", _CONFIG)
    entries = [entry.partition("=") for entry in config.texts("Env")]
    return ConfigFacts(
        user=config.text("User"),
        env=tuple((name, value) for name, _, value in entries),
        labels=config.pairs("Labels"),
        entrypoint=config.texts("Entrypoint"),
        cmd=config.texts("Cmd"),
        ports=config.keys("ExposedPorts"),
        volumes=config.keys("Volumes"),
        workdir=config.text("WorkingDir"),
        created=_moment(image.text("created")),
        os=image.text("os"),
        architecture=image.text("architecture"),
        variant=image.text("variant"),
        history=len(image.items("history")),
        diff_ids=image.inner("rootfs", ("diff_ids",)).texts("diff_ids"),
    )


_remembered_manifest = lru_cache(maxsize=64)(_manifest)
_remembered_config = lru_cache(maxsize=64)(_config)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC) if _TIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise _malformed(f"created is {text[:40]!r}, expected a time like 2026-01-02T10:00:00Z")
    return said(moment)


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.PAYLOAD_MALFORMED, detail)


class _Object:
    """An object of a document. Unset and null are one; a member of another type than its own has no meaning."""

    def __init__(self, value: object, name: str, known: Iterable[str]) -> None:
        """Take an object whose `known` members are spelled exactly.

        Raises:
            MalformedEvidence: no object, or a known member in another spelling. Runtimes ignore case and take the last:
                such an object has two meanings.
        """
        if not isinstance(value, dict):
            raise _malformed(f"{name} is {_kind(value)}, expected an object")
        folded = {each.casefold(): each for each in known}
        for key in value.keys() - folded.values():
            if key.casefold() in folded:
                raise _malformed(f"{name} has a member {key[:40]!r}, expected {folded[key.casefold()]!r}")
        self._members: dict[str, object] = value

    def _of(self, name: str, kind: type[_T], expected: str) -> _T | None:
        value = self._members.get(name)
        if value is not None and not isinstance(value, kind):
            raise _malformed(f"{name} is {_kind(value)}, expected {expected}")
        return value

    def text(self, name: str) -> str:
        return self._of(name, str, "text") or ""

    def items(self, name: str) -> list[object]:
        return self._of(name, list, "a list") or []

    def inner(self, name: str, known: Iterable[str]) -> "_Object":
        return _Object(self._of(name, dict, "an object") or {}, name, known)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_text(each, name) for each in self.items(name))

    def keys(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self._of(name, dict, "an object") or {}))

    def pairs(self, name: str) -> Pairs:
        members: dict[str, object] = self._of(name, dict, "an object") or {}
        return tuple(sorted((key, _text(value, name)) for key, value in members.items()))

    def digest(self, name: str) -> Digest:
        try:
            return Digest.parse(self.text(name))
        except BadInput as error:
            raise _malformed(f"a layer has no digest: {error}") from error

    def count(self, name: str) -> int:
        value = self._members.get(name)
        if type(value) is not int or value < 0:
            raise _malformed(f"a layer's {name} is {_kind(value)}, expected a whole number")
        return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise _malformed(f"{name} holds {_kind(value)}, expected only texts")
    return value


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
