"""`preverify lookup DIGEST`: what a cluster would be told, from the lookup table of this machine."""

from typing import Annotated

import typer

from preverify import wiring
from preverify.admission.documents import answer_document
from preverify.commands.common import ConfigOption, Output, OutputOption, emit, exit_for, load_settings, table, why
from preverify.model.digest import Digest
from preverify.model.reference import Repository

NAME = "lookup"


def command(
    digest: Annotated[str, typer.Argument(help="sha256:…")],
    image: Annotated[str | None, typer.Option("--image", help="registry/repository that is to run it.")] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Kubernetes namespace, for policies bound to one.")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Answer "may this digest run?" without network."""
    answers = wiring.open_answers(load_settings(config))
    answer = answers.lookup(Digest.parse(digest), Repository.parse(image) if image else None, namespace)
    rows = [(answer.state.value.upper(), answer.image or "(any repository)", answer.digest, why(answer))]
    emit(answer_document(answer), output, table("ANSWER", "IMAGE", "DIGEST", "WHY", rows=rows))
    raise typer.Exit(exit_for(answer))
