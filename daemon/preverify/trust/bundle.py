"""Trust in one file, for machines that reach nobody: what `trust export` writes, and how `trust import` takes it in.

An import believes nothing of the file that it cannot verify: metadata goes through the same TUF client, from the root
metadata that this machine holds already and from what it verified last. What is not signed is only compared.
"""

import base64
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rfc8785
from tuf.api.exceptions import DownloadError

from preverify import __version__
from preverify.model.errors import BadInput, MalformedEvidence, Unavailable
from preverify.model.strict_json import parse
from preverify.model.trust import Trust
from preverify.model.trusted_root import MAX_BYTES as MAX_TARGET
from preverify.policy.trust_documents import RootRequest
from preverify.ports import Clock
from preverify.trust import record
from preverify.trust.embedded import completed
from preverify.trust.fetching import MAX_BYTES as MAX_FILE
from preverify.trust.fetching import Served
from preverify.trust.record import Record
from preverify.trust.roots import Roots
from preverify.trust.tuf_client import Untrusted, Verified, look

MAX_BYTES = 64 << 20
MAX_ROOTS = 64
MAX_FILES = 512
_FILE = re.compile(r"[0-9]{1,9}\.root\.json|[A-Za-z0-9._%-]{1,120}\.json")
_HEAD = {"apiVersion": "preverify/v1", "kind": "TrustBundle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A root by TUF as a bundle has it: metadata by file name, and the target that it vouches for."""

    url: str
    files: Mapping[str, bytes]
    target: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose digest holds. Nothing in it is trusted yet."""

    made_at: datetime
    digest: str
    roots: Mapping[str, Carried]
    trust: Trust


def export(trust: Trust, requests: Iterable[RootRequest], roots: Roots, clock: Clock) -> tuple[bytes, str]:
    """Return a bundle with everything that is trusted now, and its digest.

    `requests` are the roots by TUF; those that were never fetched are carried only as part of `trust`.
    """
    carried = {}
    for request in requests:
        kept = roots.kept(request)
        if kept is None:
            continue
        with roots.locked(request) as place:
            carried[request.name] = {
                "url": completed(request).url,
                "files": {name: _text(data) for name, data in sorted(_metadata(place / "tuf").items())},
                "target": _text(kept.target),
            }
    content = {
        **_HEAD,
        "madeAt": clock.now().isoformat(),
        "madeBy": f"preverify {__version__}",
        "roots": carried,
        "trust": trust.canonical(),
    }
    digest = _digest(content)
    return json.dumps({**content, "digest": digest}, indent=1).encode() + b"\n", digest


def read(data: bytes) -> Bundle:
    """Read a bundle.

    Raises:
        BadInput: it is not one, or not whole.
    """
    try:
        form: Any = parse(data, max_bytes=MAX_BYTES)
        digest = form.pop("digest")
        if {key: form.get(key) for key in _HEAD} != _HEAD:
            seen = f"{str(form.get('kind'))[:40]!r} of {str(form.get('apiVersion'))[:40]!r}"
            raise BadInput(f"the file is {seen}, expected a TrustBundle of preverify/v1")
        if _digest(form) != digest:
            raise BadInput("the file does not have its digest: it was cut short or changed on its way")
        if len(form["roots"]) > MAX_ROOTS:
            raise BadInput(f"the file carries {len(form['roots'])} roots, at most {MAX_ROOTS} are read")
        return Bundle(
            made_at=datetime.fromisoformat(form["madeAt"]),
            digest=digest,
            roots={name: _carried(name, each) for name, each in form["roots"].items()},
            trust=Trust.from_canonical(form["trust"]),
        )
    except MalformedEvidence as error:
        raise BadInput(f"the file is no trust bundle: {error.detail}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"the file is no trust bundle: {type(error).__name__} while reading it") from error


def take_in(bundle: Bundle, requests: Iterable[RootRequest], roots: Roots, clock: Clock) -> tuple[str, ...]:
    """Verify every root that the bundle carries, then replace what is kept of them; returns their names.

    All or none: a root that does not verify leaves everything as it was. `requests` are the roots that are built in or
    that this machine's documents declare by TUF; a bundle that carries others is refused, because nothing here says
    where trust in them starts.

    Raises:
        BadInput: it carries a root that is not known here, or not whole.
        Untrusted: a root does not verify: says which, and why.
        Unavailable: the state directory cannot be written.
    """
    known = {request.name: request for request in requests}
    for name, carried in bundle.roots.items():
        if name not in known:
            raise BadInput(f"the file carries root {name[:80]!r}, which no document here declares by TUF")
        if completed(known[name]).url != carried.url:
            raise BadInput(f"root {name!r} is of {carried.url[:200]!r}, expected {completed(known[name]).url!r}")
    with ExitStack() as stack:
        ready = []
        for name, carried in sorted(bundle.roots.items()):
            place = stack.enter_context(roots.locked(known[name]))
            scratch = Path(stack.enter_context(TemporaryDirectory(dir=place))) / "tuf"
            ready.append((place, scratch, _verified(known[name], place, scratch, carried)))
        for place, scratch, found in ready:
            _replace(place, scratch, found, clock)
    return tuple(sorted(bundle.roots))


def differences(bundle: Bundle, here: Trust) -> tuple[str, ...]:
    """Return sentences about roots and stores that are not the same in a bundle and here."""
    theirs, ours = _by_name(bundle.trust), _by_name(here)
    return tuple(
        f"{name} is only in the file"
        if name not in ours
        else f"{name} is only here"
        if name not in theirs
        else f"{name} is another here than in the file"
        for name in sorted({*theirs, *ours})
        if theirs.get(name) != ours.get(name)
    )


def _verified(request: RootRequest, place: Path, scratch: Path, carried: Carried) -> Verified:
    """Verify in a copy of what is kept, so that a step back shows and a refusal leaves no trace."""
    if (place / "tuf").exists():
        shutil.copytree(place / "tuf", scratch, symlinks=True)
    whole = completed(request)
    try:
        return look(whole, scratch, Served(whole.url, carried.files, carried.target), None)
    except Untrusted as error:
        raise Untrusted(f"root {request.name!r} is refused: {error}") from error
    except Unavailable as error:
        if isinstance(error.__cause__, DownloadError):
            raise BadInput(f"root {request.name!r} is not whole: {error.__cause__}") from error
        raise


def _replace(place: Path, scratch: Path, found: Verified, clock: Clock) -> None:
    old = scratch.with_name("old")
    try:
        if (place / "tuf").exists():
            (place / "tuf").rename(old)
        scratch.rename(place / "tuf")
        record.write(
            place / "current.json",
            Record(target=found.target, fetched_at=clock.now(), expires=found.expires, versions=found.versions),
        )
    except OSError as error:
        raise Unavailable(f"{place}: cannot be written ({error.strerror})") from error


def _metadata(directory: Path) -> dict[str, bytes]:
    files = [*directory.glob("*.json"), *(directory / "root_history").glob("*.root.json")]
    return {path.name: path.read_bytes() for path in files if path.name != "root.json"}


def _carried(name: str, form: Any) -> Carried:
    files = form["files"]
    if len(files) > MAX_FILES:
        raise BadInput(f"root {name[:80]!r} has {len(files)} files, at most {MAX_FILES} are read")
    found = {}
    for file, text in files.items():
        data = base64.b64decode(text, validate=True)
        if _FILE.fullmatch(file) is None or len(data) > MAX_FILE:
            raise BadInput(f"root {name[:80]!r} has a file {file[:80]!r} of {len(data)} bytes, which no metadata is")
        found[file] = data
    target = base64.b64decode(form["target"], validate=True)
    if len(target) > MAX_TARGET:
        raise BadInput(f"root {name[:80]!r} has {len(target)} bytes, at most {MAX_TARGET} are read")
    return Carried(url=str(form["url"]), files=found, target=target)


def _by_name(trust: Trust) -> dict[str, str]:
    return {
        **{f"root {each.name}": each.id for each in trust.roots},
        **{f"store {each.kind}:{each.name}": each.id for each in trust.stores},
    }


def _digest(content: Any) -> str:
    return "sha256:" + sha256(rfc8785.dumps(content)).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
