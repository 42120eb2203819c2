"""`preverify config`: show, schema."""

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify.commands.common import ConfigOption, Output, OutputOption, config_path, emit, has_config, table
from preverify.policy.policy_tests import PolicyTestDocument
from preverify.policy.schema import json_schema
from preverify.settings import Settings, load_with_origins

app = typer.Typer(no_args_is_help=True)


class Kind(StrEnum):
    """Documents that have a schema."""

    CONFIG = "Config"
    EXCEPTION = "Exception"
    POLICY = "Policy"
    POLICY_TEST = "PolicyTest"
    SIGNERS = "Signers"
    TRUST = "Trust"


@app.command("show")
def show(
    config: ConfigOption = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    output: OutputOption = Output.YAML,
) -> None:
    """Show the configuration as it is in force. Secrets lie in files and are never printed."""
    loaded = load_with_origins(_path(config), os.environ, {})
    rows = [(path, value, loaded.origins.get(path, "default")) for path, value in flat(loaded.document())]
    if output is Output.TABLE:
        columns = ("KEY", "VALUE", "ORIGIN") if origin else ("KEY", "VALUE")
        emit(None, output, table(*columns, rows=[row[: len(columns)] for row in rows]))
        return
    if origin:
        emit({path: {"value": value, "origin": came_from} for path, value, came_from in rows}, output)
        return
    emit(loaded.document(), output)


@app.command("schema")
def schema(
    kind: Annotated[Kind, typer.Argument(case_sensitive=False, help="Config, Policy, Signers or Trust.")] = Kind.CONFIG,
    output: OutputOption = Output.JSON,
) -> None:
    """Print the JSON Schema of a kind of document."""
    emit(schema_of(kind), Output.JSON if output is Output.TABLE else output)


def schema_of(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema of a kind of document, as `config/schema/` holds it."""
    if kind in (Kind.CONFIG, Kind.POLICY_TEST):
        model = Settings if kind is Kind.CONFIG else PolicyTestDocument
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(by_alias=True)}
    return json_schema(kind.value)


def flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield each value of a document with its path as written."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _path(given: Path | None) -> Path | None:
    return config_path(given) if has_config(given) else None
