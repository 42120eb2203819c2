"""`preverify policy import`: policies of other tools become ours."""

import base64
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify.commands.common import Exit, Output, OutputOption, emit
from preverify.model.errors import BadConfiguration
from preverify.policy.importers import DIALECTS, Imported, translate
from preverify.policy.trust_documents import RootRequest
from preverify.settings import read_bounded
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
        _write(imported, out)
    if output is not Output.TABLE:
        emit(_document(imported), output)
    elif out is None:
        print(_text(imported), end="")
    for line in (*imported.notes, *(f"denied instead: {loss}" for loss in imported.losses)):
        print(f"preverify: {line}", file=sys.stderr)
    raise typer.Exit(Exit.NOT_VERIFIED if imported.losses else Exit.VERIFIED)


def _any_root(request: RootRequest) -> bytes:
    """Return a root that documents are tried with. One that comes by TUF is fetched when they are loaded, not here."""
    return read_built_in(RootRequest(name="public-good") if request.url else request)


def _write(imported: Imported, directory: Path) -> None:
    """Write all or nothing; files that are there stay what they are."""
    contents = {directory / name: data for name, data in {**imported.documents, **imported.files}.items()}
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
