"""`preverify tags`: what every tag is answered with now."""

from collections.abc import Iterator
from typing import Annotated, TypedDict

import typer

from preverify import wiring
from preverify.commands.common import (
    ConfigOption,
    Exit,
    Output,
    OutputOption,
    answer_of,
    emit,
    load_settings,
    short,
    table,
    why,
)
from preverify.model.evidence_tags import is_evidence_tag
from preverify.model.verdicts import AnswerState
from preverify.policy.policies import PolicySet
from preverify.ports import History

NAME = "tags"


class TagRow(TypedDict):
    """One tag with its answer."""

    image: str
    digest: str
    source: str
    answer: str
    why: str


def command(
    state: Annotated[AnswerState | None, typer.Option("--state", help="Only tags with this answer.")] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Only tags that are not verified.")] = False,
    source: Annotated[str | None, typer.Option("--source", help="Only this source.")] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List tags with their answers; exit code 1 where `--unverified` finds any."""
    records = wiring.open_records(load_settings(config))
    active = records.store.generations.active()
    policies = PolicySet.from_document(active.document) if active is not None else None
    rows = [
        row
        for row in listed(records.store.history, policies, source)
        if (state is None or row["answer"] == state.value) and not (unverified and row["answer"] == "verified")
    ]
    cells = [(r["image"], short(r["digest"]), r["answer"].upper(), r["why"]) for r in rows]
    emit(
        {"apiVersion": "preverify/v1", "kind": "TagList", "tags": rows},
        output,
        table("IMAGE", "DIGEST", "ANSWER", "WHY", rows=cells),
    )
    raise typer.Exit(Exit.NOT_VERIFIED if unverified and rows else Exit.VERIFIED)


def listed(history: History, policies: PolicySet | None, source: str | None) -> Iterator[TagRow]:
    """Yield every image tag with its present answer under the default profile and all unbound policies."""
    for known in history.subjects(source=source, tagged=True):
        if policies is None:
            state, reason = AnswerState.UNKNOWN.value, "no policy generation is active yet"
        else:
            answer = answer_of(policies, known.subject, history.current(known.subject))
            state, reason = answer.state.value, why(answer)
        for tag in known.tags:
            if not is_evidence_tag(tag):
                yield TagRow(
                    image=f"{known.subject.repository}:{tag}",
                    digest=str(known.subject.digest),
                    source=known.source,
                    answer=state,
                    why=reason,
                )
