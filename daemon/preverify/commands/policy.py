"""`preverify policy`: lint, show, simulate, replay, activate; further ones have modules of their own."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from preverify import changing, wiring
from preverify.clock import SystemClock
from preverify.commands import policy_exceptions, policy_import, policy_test
from preverify.commands.common import ConfigOption, Exit, Output, OutputOption, emit, load_settings, short, table
from preverify.model.errors import BadConfiguration
from preverify.policy.lint import Level, lint
from preverify.policy.owners import Owners
from preverify.policy.policies import Policy, PolicySet
from preverify.policy.rules import Rule
from preverify.policy.simulate import Difference, Effect, Report
from preverify.ports import Generations

app = typer.Typer(no_args_is_help=True)
app.command("import")(policy_import.import_command)
app.command("export")(policy_import.export_command)
app.command("exceptions")(policy_exceptions.exceptions_command)
app.command("test")(policy_test.try_command)
Places = Annotated[
    list[Path] | None,
    typer.Argument(help="Policy files or a directory; without any, the configured directory.", show_default=False),
]


@app.command("lint")
def lint_command(places: Places = None, config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Check policy documents. Exit code 2: they cannot be loaded; 1: they can, and something looks like a mistake."""
    policies = _load(places, config)
    remarks = lint(policies, now=SystemClock().now())
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
def simulate_command(
    places: Places = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", help="Compare with these instead of what is in force.", show_default=False),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="As of a moment: what was known and in force then.", show_default=False),
    ] = None,
    owners: Annotated[
        Path | None,
        typer.Option("--owners", help="Who owns which images: lines of a glob and a name.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what other policies would do to every image that is known, without changing anything.

    Exit code 1: some image would newly be denied; 3: none, but some could not be decided.
    """
    new = _load(places, config)
    settings = load_settings(config)
    records = wiring.open_records(settings)
    moment = None if at is None else _moment(at)
    current = wiring.read_policies(tuple(against)) if against else _in_force(records.store.generations, moment)
    report = changing.simulate(
        records.store.history,
        current,
        new,
        clock=records.clock,
        at=moment,
        database=wiring.open_vulnerabilities(settings),
    )
    whose = Owners.read(owners.read_bytes(), name=str(owners)) if owners is not None else Owners()
    document = report_document(report, whose)
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
            whose.of(d.subject.repository) or "-",
            d.namespace or "(any)",
            f"{d.before.value} -> {d.after.value}",
            d.reason,
            d.detail,
        )
        for d in report.differences
    ]
    emit(document, output, table("EFFECT", "IMAGE", "OWNER", "NAMESPACE", "ANSWER", "REASON", "DETAIL", rows=rows))
    raise typer.Exit(exit_for(report))


@app.command("replay")
def replay_command(
    verdicts: Annotated[
        list[str] | None, typer.Argument(help="Ids of verdicts; without any, all current ones.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Derive stored verdicts again from what they rest on, and compare.

    Exit code 1: some verdict is not the same; 3: one that was named rests on nothing that is stored.
    """
    records = wiring.open_records(load_settings(config))
    history = records.store.history
    ids = verdicts or [v.id for known in history.subjects() for v in history.current(known.subject)]
    replays = list(changing.replay(history, records.store.generations, ids))
    different = [each for each in replays if not each.same]
    unknown = sorted(set(ids) - {each.verdict.id for each in replays})
    document = {
        "replayed": len(replays),
        "same": len(replays) - len(different),
        "different": [
            {"verdict": e.verdict.id, "image": str(e.verdict.subject), "policy": e.verdict.policy, "why": e.why}
            for e in different
        ],
        "unknown": unknown,
    }
    if output is Output.TABLE:
        print(f"{len(replays)} verdicts derived again, {len(different)} differ; {len(unknown)} rest on nothing stored")
    rows = [(e.verdict.id, str(e.verdict.subject), e.verdict.policy, e.why or "differs") for e in different]
    emit(document, output, table("VERDICT", "IMAGE", "POLICY", "WHY", rows=rows))
    missing = Exit.UNDECIDED if verdicts and unknown else Exit.VERIFIED
    raise typer.Exit(Exit.NOT_VERIFIED if different else missing)


@app.command("activate")
def activate_command(
    places: Places = None,
    now: Annotated[
        bool,
        typer.Option(
            "--now",
            help="The pointer moves first: what changed answers `unknown` until it is decided anew. For what must not "
            "hold a moment longer, like a revoked key.",
        ),
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Bring policies into force: every image that they touch is decided first, then answers switch whole."""
    settings = load_settings(config)
    policies = _load(places, config)
    generation, decided = wiring.activate(settings, wiring.open_records(settings), policies, at_once=now)
    if output is Output.TABLE:
        print(f"generation {generation} is active ({short(policies.digest)}), {decided} images decided for it")
        return
    emit({"generation": generation, "digest": policies.digest, "decided": decided}, output)


def report_document(report: Report, owners: Owners) -> dict[str, Any]:
    """Return a simulation as plain values: each difference, and their numbers by repository, owner and reason."""
    changed = [d for d in report.differences if d.effect in (Effect.NEWLY_DENIED, Effect.NEWLY_ALLOWED)]
    return {
        "considered": report.considered,
        "unchanged": report.unchanged,
        "undecided": report.undecided,
        "byRepository": _counted((d, str(d.subject.repository)) for d in changed),
        "byOwner": _counted((d, owners.of(d.subject.repository)) for d in changed),
        "byReason": _counted((d, d.reason) for d in changed),
        "differences": [
            {
                "effect": d.effect.value,
                "owner": owners.of(d.subject.repository) or None,
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


def _counted(named: Iterable[tuple[Difference, str]]) -> dict[str, dict[str, int]]:
    """Count differences by effect under each name."""
    counts: dict[str, dict[str, int]] = {}
    for difference, name in named:
        under = counts.setdefault(name, {Effect.NEWLY_DENIED.value: 0, Effect.NEWLY_ALLOWED.value: 0})
        under[difference.effect.value] += 1
    return {name: counts[name] for name in sorted(counts)}


def _in_force(generations: Generations, at: datetime | None) -> PolicySet:
    """Return the policies in force, now or at a moment; none where no generation was active."""
    row = generations.active() if at is None else generations.active_at(at)
    return PolicySet.of({}, {}) if row is None else PolicySet.from_document(row.document)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadConfiguration(f"{text[:40]!r} is no moment, expected one like 2026-01-02T10:00:00Z", where="--at")
    return moment.astimezone(UTC)


def _load(places: list[Path] | None, config: Path | None) -> PolicySet:
    if places:
        return wiring.read_policies(tuple(places))
    return wiring.load_policies(load_settings(config))


def _demands(policy: Policy) -> str:
    return ", ".join(_demand(rule) for rule in policy.rules)


def _demand(rule: Rule) -> str:
    signers = [f"{by.needed} of {by.people.replace(', ', '|')}" for by in rule.quorums]
    return f"{rule.name}: {rule.KIND}" + (f" by {' and '.join(signers)}" if signers else "")
