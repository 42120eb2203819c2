"""`preverify policy import` and `export`: policies of other tools become ours, and ours are checked by them."""

import base64
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify import wiring
from preverify.commands.common import ConfigOption, Exit, Output, OutputOption, emit, load_settings
from preverify.model.errors import BadConfiguration
from preverify.model.keys import TrustedKey
from preverify.policy.exporters import EXPORTERS, Wanted
from preverify.policy.importers import DIALECTS, Imported, translate
from preverify.policy.keys import read_public_key
from preverify.policy.trust_documents import RootRequest
from preverify.settings import Settings, read_bounded
from preverify.trust import read_built_in
from preverify.trust.files import list_files

_MAX_BYTES = 1 << 20


def import_command(
    files: Annotated[list[Path], typer.Argument(help="Policies of other tools, YAML or JSON.", show_default=False)],
    dialect: Annotated[
        str, typer.Option(help=f"What they are, where they do not say: {', '.join(DIALECTS)}.", show_default=False)
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write into this directory; nothing there is replaced.", show_default=False)
    ] = None,
    allow_lossy: Annotated[
        bool, typer.Option("--allow-lossy", help="What cannot be said here denies, instead of being refused.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Turn policies of other tools into preverify's: the same meaning, or a refusal that names the field.

    Exit code 1: imported, and something denies that could not be said (--allow-lossy); 2: refused.
    """
    imported = translate(
        [(str(path), read_bounded(path, _MAX_BYTES)) for path in files],
        lambda name: read_bounded(Path(name), _MAX_BYTES),
        list_files=lambda name: list_files(Path(name), ""),
        read_root=_any_root,
        dialect=dialect,
        lossy=allow_lossy,
    )
    if out is not None:
        _write({**imported.documents, **imported.files}, out)
    if output is not Output.TABLE:
        emit(_document(imported), output)
    elif out is None:
        print(_text(imported), end="")
    for line in (*imported.notes, *(f"denied instead: {loss}" for loss in imported.losses)):
        print(f"preverify: {line}", file=sys.stderr)
    raise typer.Exit(Exit.NOT_VERIFIED if imported.losses else Exit.VERIFIED)


def export_command(
    to: Annotated[str, typer.Option("--to", help=f"The tool: {', '.join(EXPORTERS)}.", show_default=False)],
    places: Annotated[
        list[Path] | None,
        typer.Argument(help="Policy files or a directory; without any, the configured directory.", show_default=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="PEM public key of our statements; else the configured one.", show_default=False)
    ] = None,
    verifier: Annotated[
        str, typer.Option(help="Id of this verifier; else signing.verifierId.", show_default=False)
    ] = "",
    bundles: Annotated[
        bool, typer.Option("--bundles", help="Statements are published with the layout bundle.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write into this directory; nothing there is replaced.", show_default=False)
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write a policy or command of another tool that checks our statements, with what it cannot check in comments."""
    if to not in EXPORTERS:
        raise BadConfiguration(f"{to[:60]!r} is no tool that is exported to, expected one of: {', '.join(EXPORTERS)}")
    settings = cache(lambda: load_settings(config))  # read only for what was not given
    wanted = Wanted.of(
        wiring.read_policies(tuple(places)) if places else wiring.load_policies(settings()),
        verifier=verifier or settings().signing.verifier_id,
        key=read_public_key(read_bounded(key, _MAX_BYTES)) if key is not None else _own_key(settings()),
        bundles=bundles,
    )
    files = {name: text.encode() for name, text in EXPORTERS[to].export(wanted).items()}
    if out is not None:
        _write(files, out)
        return
    for name, data in files.items():
        print(f"# --- {name}\n" * (len(files) > 1) + data.decode(), end="")


def _own_key(settings: Settings) -> TrustedKey:
    """Return the one key that statements are signed with, as the daemon left it for other processes."""
    keys = [own for own in wiring.own_keys(settings) if isinstance(own, TrustedKey)]
    if len(keys) != 1:
        seen = "signed as an identity, or never" if not keys else f"signed with {len(keys)} keys"
        raise BadConfiguration(f"statements were {seen} on this machine: name the public key with --key")
    return keys[0]


def _any_root(request: RootRequest) -> bytes:
    """Return a root that documents are tried with. One that comes by TUF is fetched when they are loaded, not here."""
    return read_built_in(RootRequest(name="public-good") if request.url else request)


def _write(files: Mapping[str, bytes], directory: Path) -> None:
    """Write all or nothing; files that are there stay what they are."""
    contents = {directory / name: data for name, data in files.items()}
    there = next((path for path in contents if path.exists()), None)
    if there is not None:
        raise BadConfiguration("is there already, expected a directory without it (--out)", where=str(there))
    for path, data in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _text(imported: Imported) -> str:
    """Return documents as one YAML stream, with the files that they name as comments."""
    parts = [data.decode() for data in imported.documents.values()]
    for name, data in imported.files.items():
        shown = data.decode("utf-8", "backslashreplace").splitlines()
        parts.append("\n".join([f"# {name}:", *(f"#   {line}" for line in shown)]) + "\n")
    return "".join(parts)


def _document(imported: Imported) -> dict[str, Any]:
    return {
        "documents": {name: data.decode() for name, data in imported.documents.items()},
        "files": {name: base64.b64encode(data).decode() for name, data in imported.files.items()},
        "notes": list(imported.notes),
        "losses": list(imported.losses),
    }
