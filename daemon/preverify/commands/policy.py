"""`preverify policy`: lint, show, simulate, activate."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify import pipeline, wiring
from preverify.commands import policy_import
from preverify.commands.common import ConfigOption, Exit, Output, OutputOption, emit, load_settings, short, table
from preverify.policy.documents import PolicySet
from preverify.policy.lint import Level, lint
from preverify.policy.policies import Policy
from preverify.policy.rules import Rule
from preverify.policy.simulate import Effect, Known, Report, compare
from preverify.ports import Clock, History

app = typer.Typer(no_args_is_help=True)
app.command("import")(policy_import.import_command)
Places = Annotated[
    list[Path] | None,
    typer.Argument(help="Policy files or a directory; without any, the configured directory.", show_default=False),
]


@app.command("lint")
def lint_command(places: Places = None, config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Check policy documents. Exit code 2: they cannot be loaded; 1: they can, and something looks like a mistake."""
    policies = _load(places, config)
    remarks = lint(policies)
    rows = [(r.level.value, r.code, r.about or "-", r.detail) for r in remarks]
    document = {
        "policies": len(policies.policies),
        "digest": policies.digest,
        "remarks": [{"level": r.level.value, "code": r.code, "about": r.about, "detail": r.detail} for r in remarks],
    }
    if output is Output.TABLE and not remarks:
        print(f"{len(policies.policies)} policies, nothing to remark")
    else:
        emit(document, output, table("LEVEL", "CODE", "ABOUT", "DETAIL", rows=rows))
    worst = any(r.level is Level.WARNING for r in remarks)
    raise typer.Exit(Exit.NOT_VERIFIED if worst else Exit.VERIFIED)


@app.command("show")
def show(places: Places = None, config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Show policies as they decide: compiled, signers resolved, with their digests."""
    policies = _load(places, config)
    document = {
        "digest": policies.digest,
        "profileDigest": policies.profile_digest,
        "policies": [{"policyDigest": p.digest, **p.canonical()} for p in policies.policies],
    }
    rows = [
        (p.name, p.mode.value, " ".join(p.images), " ".join(p.namespaces) or "(any)", _demands(p), short(p.digest))
        for p in policies.policies
    ]
    emit(document, output, table("POLICY", "MODE", "IMAGES", "NAMESPACES", "DEMANDS", "DIGEST", rows=rows))


@app.command("simulate")
def simulate_command(places: Places = None, config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Say what other policies would do to every image that is known, without changing anything.

    Exit code 1: some image would newly be denied; 3: none, but some could not be decided.
    """
    new = _load(places, config)
    records = wiring.open_records(load_settings(config))
    active = records.store.generations.active()
    current = PolicySet.of({}, {}) if active is None else PolicySet.from_document(active.document)
    report = simulate(records.store.history, current, new, clock=records.clock)
    document = report_document(report)
    if output is Output.TABLE:
        print(
            f"{report.considered} images: {len(report.having(Effect.NEWLY_DENIED))} newly denied, "
            f"{len(report.having(Effect.NEWLY_ALLOWED))} newly allowed, {report.unchanged} answers unchanged, "
            f"{report.undecided} undecided"
        )
    rows = [
        (
            d.effect.value,
            str(d.subject),
            d.namespace or "(any)",
            f"{d.before.value} -> {d.after.value}",
            d.reason,
            d.detail,
        )
        for d in report.differences
    ]
    emit(document, output, table("EFFECT", "IMAGE", "NAMESPACE", "ANSWER", "REASON", "DETAIL", rows=rows))
    raise typer.Exit(exit_for(report))


@app.command("activate")
def activate_command(places: Places = None, config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Bring policies into force: every known image is decided first, then answers switch whole."""
    settings = load_settings(config)
    policies = _load(places, config)
    generation, decided = wiring.activate(settings, wiring.open_records(settings), policies)
    if output is Output.TABLE:
        print(f"generation {generation} is active ({short(policies.digest)}), {decided} images decided for it")
        return
    emit({"generation": generation, "digest": policies.digest, "decided": decided}, output)


def simulate(history: History, current: PolicySet, new: PolicySet, *, clock: Clock) -> Report:
    """Compare two policy sets over everything that history knows; nothing is fetched, nothing is stored.

    Signers that only `new` names are verified over the stored evidence. Subjects that were never gathered have nothing
    that could be compared and are left out.
    """
    return compare(current, new, _known(history, (current, new), clock), now=clock.now())


def report_document(report: Report) -> dict[str, Any]:
    """Return a simulation as plain values."""
    return {
        "considered": report.considered,
        "unchanged": report.unchanged,
        "undecided": report.undecided,
        "differences": [
            {
                "effect": d.effect.value,
                "image": str(d.subject.repository),
                "digest": str(d.subject.digest),
                "namespace": d.namespace or None,
                "before": d.before.value,
                "after": d.after.value,
                "reason": d.reason,
                "detail": d.detail,
            }
            for d in report.differences
        ],
    }


def exit_for(report: Report) -> Exit:
    """Return the exit code of a simulation, for use in a pipeline that changes policies."""
    if report.having(Effect.NEWLY_DENIED):
        return Exit.NOT_VERIFIED
    return Exit.UNDECIDED if report.undecided else Exit.VERIFIED


def _known(history: History, sets: tuple[PolicySet, ...], clock: Clock) -> Iterator[Known]:
    for known in history.subjects():
        seen = pipeline.decide_anew(history, sets, known.subject, clock=clock)
        if seen is not None:
            yield Known(gathered=seen.gathered, findings=seen.findings)


def _load(places: list[Path] | None, config: Path | None) -> PolicySet:
    if places:
        return wiring.read_policies(tuple(places))
    return wiring.load_policies(load_settings(config))


def _demands(policy: Policy) -> str:
    return ", ".join(_demand(rule) for rule in policy.rules)


def _demand(rule: Rule) -> str:
    signers = [f"{by.needed} of {by.people.replace(', ', '|')}" for by in rule.quorums]
    return f"{rule.name}: {rule.KIND}" + (f" by {' and '.join(signers)}" if signers else "")
