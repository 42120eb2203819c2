"""`preverify db`: the schema of the database."""

import typer

from preverify.commands.common import ConfigOption, Exit, load_settings
from preverify.store import upgrade as schema

app = typer.Typer(no_args_is_help=True)


@app.command("upgrade")
def upgrade(config: ConfigOption = None) -> None:
    """Bring the database to this version's schema; safe to run again."""
    settings = load_settings(config)
    schema.upgrade(settings.database.url)
    print(f"database is at {schema.check(settings.database.url)}")


@app.command("check")
def check(config: ConfigOption = None) -> None:
    """Say how the database's schema stands to this version; exit code 1 unless current."""
    state = str(schema.check(load_settings(config).database.url))
    print(state)
    raise typer.Exit(Exit.VERIFIED if state == "current" else Exit.NOT_VERIFIED)
