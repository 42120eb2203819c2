"""The table of verbs."""

import sys
import traceback
from collections.abc import Sequence

import typer

from preverify import __version__
from preverify.commands import (
    attest,
    bench,
    config,
    conformance,
    database,
    doctor,
    explain,
    lookup,
    policy,
    serve,
    tags,
    trust,
    verify,
)
from preverify.commands.common import Exit
from preverify.model.errors import BadConfiguration, BadInput, PreverifyError, Unavailable

app = typer.Typer(
    name="preverify",
    help="Verifies container images once, at the registry; admission only looks the verdict up.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (serve, verify, explain, lookup, tags, doctor, bench):
    app.command(module.NAME)(module.command)
app.add_typer(policy.app, name="policy", help="Policies: lint, show, simulate, activate.")
app.add_typer(trust.app, name="trust", help="What signers rest on: show, check, export, import.")
app.add_typer(attest.app, name="attest", help="Our statements: show, verify.")
app.add_typer(database.app, name="db", help="Databases: upgrade, check; of vulnerabilities: pull, status, build, push.")
app.add_typer(config.app, name="config", help="Configuration: show, schema.")
app.add_typer(conformance.app, name="conformance", help="Sigstore client conformance: verify-bundle, sign-bundle.")


@app.command("version")
def version() -> None:
    """Print the version."""
    print(__version__)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. An error never ends as 0."""
    try:
        code = typer.main.get_command(app).main(args=list(arguments), prog_name="preverify", standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        return _say(error, Exit.USAGE)
    except typer.Abort:
        return Exit.INTERNAL
    except (BadConfiguration, BadInput) as error:
        return _say(error, Exit.USAGE)
    except Unavailable as error:
        return _say(error, Exit.UNDECIDED)
    except PreverifyError as error:
        return _say(error, Exit.INTERNAL)
    except Exception:  # noqa: BLE001 - the last resort of a command: never exit 0 on an error
        traceback.print_exc()
        return Exit.INTERNAL
    return int(code) if isinstance(code, int) else Exit.VERIFIED


def _say(error: Exception, code: Exit) -> int:
    text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    print(f"preverify: {text}", file=sys.stderr)
    return code
