"""`preverify bench NAME`: measure, side by side with a reference in the same run."""

import json
from typing import Annotated

import typer

from preverify.bench import BENCHES
from preverify.commands.common import Exit
from preverify.model.errors import BadInput

NAME = "bench"


def command(
    name: Annotated[str, typer.Argument(help="Which: " + ", ".join(sorted(BENCHES)))],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds, under a minute.")] = False,
) -> None:
    """Print one JSON object a figure; exits 0 whatever the figures are."""
    if name not in BENCHES:
        raise BadInput(f"{name!r} is not a benchmark, expected one of {', '.join(sorted(BENCHES))}")
    for figure in BENCHES[name](quick=quick):
        print(json.dumps(figure), flush=True)
    raise typer.Exit(Exit.VERIFIED)
