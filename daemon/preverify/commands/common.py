"""What all verbs share: options, exit codes, output."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from preverify import settings as settings_module
from preverify.clock import SystemClock
from preverify.model.reference import Subject
from preverify.model.verdicts import Answer, AnswerState, Verdict
from preverify.policy.answers import compose, policy_answer
from preverify.policy.policies import PolicySet
from preverify.settings import Settings

DEFAULT_CONFIG = Path("/etc/preverify/preverify.yaml")


class Exit(IntEnum):
    """Exit codes, the same for every verb."""

    VERIFIED = 0
    NOT_VERIFIED = 1
    USAGE = 2
    UNDECIDED = 3
    INTERNAL = 4


class Output(StrEnum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=f"Configuration file (default: $PREVERIFY_CONFIG, then {DEFAULT_CONFIG}).",
        show_default=False,
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the output.")]


def config_path(given: Path | None) -> Path:
    """Return the configuration file to use. Never one that merely lies in the working directory."""
    if given is not None:
        return given
    named = os.environ.get("PREVERIFY_CONFIG")
    return Path(named) if named else DEFAULT_CONFIG


def load_settings(given: Path | None) -> Settings:
    """Load the configuration named by option or environment."""
    return settings_module.load(config_path(given), os.environ, {})


def has_config(given: Path | None) -> bool:
    """Say whether a configuration is named or stands at the default place."""
    return given is not None or "PREVERIFY_CONFIG" in os.environ or DEFAULT_CONFIG.exists()


def emit(document: object, output: Output, table: Table | None = None) -> None:
    """Print a document in the form asked for; with `table`, people get that instead."""
    if output is Output.TABLE and table is not None:
        console = Console(file=sys.stdout, soft_wrap=False, highlight=False)
        if not console.is_terminal:
            console.width = 200
        console.print(table)
    elif output is Output.YAML:
        yaml.safe_dump(json.loads(json.dumps(document, default=str)), sys.stdout, sort_keys=False)
    else:
        print(json.dumps(document, indent=2, default=str))


def table(*columns: str, rows: Sequence[Sequence[object]] = ()) -> Table:
    """Return a plain table."""
    built = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        built.add_column(column, overflow="fold")
    for row in rows:
        built.add_row(*(str(cell) for cell in row))
    return built


def short(digest: str) -> str:
    """Return a digest as people compare it: the first 12 hex digits."""
    return digest.partition(":")[2][:12]


def answer_of(policies: PolicySet, subject: Subject, verdicts: Sequence[Verdict]) -> Answer:
    """Return the answer that verdicts lead to now, as a caller without namespace would get it."""
    return compose(
        policies,
        subject.repository,
        subject.digest,
        {v.policy: policy_answer(policies, v) for v in verdicts},
        image=str(subject.repository),
        generation=0,
        namespaces=None,
        now=SystemClock().now(),
        expired_grace=timedelta(0),
        no_policy="deny",
        stale_since=None,
    )


def exit_for(answer: Answer) -> Exit:
    """Return the exit code of an answer: only `verified` is 0, and `unknown` is not a no."""
    if answer.state is AnswerState.VERIFIED:
        return Exit.VERIFIED
    return Exit.UNDECIDED if answer.state is AnswerState.UNKNOWN else Exit.NOT_VERIFIED


def why(answer: Answer) -> str:
    """Return one line that says why an answer is what it is."""
    if answer.reason or answer.detail:
        return f"{answer.reason}: {answer.detail}".strip(": ")
    texts = [f"{code}: {detail}" for policy in answer.policies for _, code, detail in policy.reasons]
    return "; ".join(dict.fromkeys(texts)) or answer.state.value
