"""`preverify policy exceptions`: what passes for a while though it does not hold."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify import wiring
from preverify.clock import SystemClock
from preverify.commands.common import ConfigOption, Exit, Output, OutputOption, emit, load_settings, table
from preverify.policy.exceptions import PolicyException, State
from preverify.policy.policies import PolicySet


def exceptions_command(
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Policy files or a directory; without any, what is in force in the database.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List exceptions: whose, for what, and until when. Exit code 1: one has ended and is still there."""
    policies, now = _policies(places, config), SystemClock().now()
    document = {
        "exceptions": [
            {"name": each.name, "state": each.state(now).value, "policies": list(about), **_members(each)}
            for each, about in policies.exceptions
        ]
    }
    rows = [
        (
            each.name,
            each.state(now).value,
            _written(each.expires),
            " ".join(about),
            " ".join(each.rules) or "(all)",
            " ".join((*each.images, *each.digests)),
            " ".join(each.vulnerabilities) or "-",
            each.owner,
            each.reason + (f" ({each.ticket})" if each.ticket else ""),
        )
        for each, about in policies.exceptions
    ]
    columns = ("EXCEPTION", "STATE", "UNTIL", "POLICIES", "RULES", "IMAGES", "VULNERABILITIES", "OWNER", "REASON")
    if output is Output.TABLE and not rows:
        print("no exceptions")
    else:
        emit(document, output, table(*columns, rows=rows))
    over = any(each.state(now) is State.ENDED for each, _ in policies.exceptions)
    raise typer.Exit(Exit.NOT_VERIFIED if over else Exit.VERIFIED)


def _policies(places: list[Path] | None, config: Path | None) -> PolicySet:
    if places:
        return wiring.read_policies(tuple(places))
    active = wiring.open_records(load_settings(config)).store.generations.active()
    return PolicySet.of({}, {}) if active is None else PolicySet.from_document(active.document)


def _members(exception: PolicyException) -> dict[str, Any]:
    form = exception.canonical()
    return {key: value for key, value in form.items() if key != "name"}


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
