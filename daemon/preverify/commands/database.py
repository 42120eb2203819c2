"""`preverify db`: the schema of the database, and the vulnerability database beside it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from preverify import pipeline, wiring
from preverify.clock import SystemClock
from preverify.commands.common import (
    ConfigOption,
    Exit,
    Output,
    OutputOption,
    answer_of,
    emit,
    exit_for,
    has_config,
    load_settings,
    short,
    table,
    why,
)
from preverify.model.digest import Digest
from preverify.model.durations import format_duration
from preverify.model.errors import BadConfiguration, BadInput, MalformedEvidence, NotFound
from preverify.model.reference import Reference
from preverify.model.verdicts import Answer, AnswerState
from preverify.scanners.database.file import Database
from preverify.scanners.database.holding import Older
from preverify.settings import Settings, Source, SourceTls
from preverify.store import upgrade as schema

app = typer.Typer(no_args_is_help=True)
PlainHttp = Annotated[bool, typer.Option("--plain-http", help="Speak HTTP to a registry that is not configured.")]
Private = Annotated[bool, typer.Option("--private", help="Allow private addresses for such a registry.")]


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


@app.command("pull")
def pull_command(
    reference: Annotated[
        str, typer.Argument(help="Its image (default: vulnerabilities.database.reference).", show_default=False)
    ] = "",
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Take in data that is older than what is in use.")
    ] = False,
    plain_http: PlainHttp = False,
    private: Private = False,
    config: ConfigOption = None,
) -> None:
    """Fetch the vulnerability database by digest, after its image passed `vulnerabilities.database.policy`.

    Exit code 1: the image does not pass, or has older data than what is in use; 3: that cannot be decided now.
    """
    from preverify.scanners.database.pulling import pull

    settings, clock = load_settings(config), SystemClock()
    named = reference or settings.vulnerabilities.database.reference
    if named is None:
        raise BadConfiguration("null, and no image was named", where="vulnerabilities.database.reference")
    wanted = Reference.parse(named)
    source = _source(settings, wanted, plain_http=plain_http, private=private)
    registry = wiring.watch("vulnerabilities", source, settings).registry
    policies = wiring.database_policies(settings)
    revocations = wiring.open_revocations(settings, private=source.network == "private")
    try:
        seen = pipeline.verify_reference(registry, policies, wanted, clock=clock, revocations=revocations)
        answer = answer_of(policies, seen.subject, seen.verdicts)
        if answer.state is not AnswerState.VERIFIED or not answer.enforced:
            print(f"preverify: {seen.subject} is not taken in: {_why_not(answer)}", file=sys.stderr)
            raise typer.Exit(max(exit_for(answer), Exit.NOT_VERIFIED))
        holding = wiring.open_holding(settings)
        fresh = pull(
            registry, seen.gathered.image, holding, reference=str(wanted), clock=clock, allow_older=allow_older
        )
    except NotFound as error:
        raise BadInput(f"{wanted} is not in the registry: {error}") from error
    except MalformedEvidence as error:
        raise BadInput(f"{wanted} cannot be used: {error.reason.value}: {error.detail}") from error
    except Older as error:
        print(f"preverify: {error}", file=sys.stderr)
        raise typer.Exit(Exit.NOT_VERIFIED) from error
    print(f"{'in use now' if fresh else 'in use already'}: {seen.subject}")


@app.command("status")
def status(config: ConfigOption = None, output: OutputOption = Output.TABLE) -> None:
    """Say which vulnerability database is in use, how old its data is and what it holds.

    Exit code 1: older than `vulnerabilities.database.maxAge`, or not what was taken in any more; 2: there is none.
    """
    settings, now = load_settings(config), SystemClock().now()
    holding, most = wiring.open_holding(settings), settings.vulnerabilities.database.max_age
    held, database = holding.current(), holding.open()
    if held is None or database is None:
        raise BadInput("there is no vulnerability database on this machine: preverify db pull")
    age = now - database.facts.newest
    stale, whole = age > most, holding.whole()
    document = {
        "apiVersion": "preverify/v1",
        "kind": "VulnerabilityDatabase",
        "digest": str(held.digest),
        "reference": held.reference,
        "image": held.image,
        "pulledAt": held.pulled_at,
        "ageSeconds": int(age.total_seconds()),
        "stale": stale,
        "whole": whole,
        **_said_by(database),
    }
    if output is Output.TABLE:
        print(f"{'STALE' if stale else 'FRESH' if whole else 'DAMAGED'}  {held.digest}")
        print(f"  pulled {held.pulled_at.isoformat()} from {held.reference} (image {short(held.image)})")
        print(f"  data up to {database.facts.newest.isoformat()}, at most {format_duration(most)} old is fresh")
    rows = [(name, records, newest) for name, records, newest in database.newest_of()]
    emit(document, output, table("ECOSYSTEM", "RECORDS", "NEWEST CHANGE", rows=rows))
    database.close()
    raise typer.Exit(Exit.NOT_VERIFIED if stale or not whole else Exit.VERIFIED)


@app.command("build")
def build(
    osv: Annotated[
        list[Path],
        typer.Option("--osv", help="OSV records: a zip file, a directory or a .json file.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write.", show_default=False)],
    kev: Annotated[Path | None, typer.Option("--kev", help="CISA's catalogue of known exploited ones.")] = None,
    epss: Annotated[Path | None, typer.Option("--epss", help="EPSS scores, CSV, in gzip or not.")] = None,
    tolerate: Annotated[int, typer.Option("--tolerate", min=0, help="How many malformed records may be left out.")] = 0,
) -> None:
    """Make a vulnerability database of records that were fetched before; nothing is fetched here."""
    from preverify.scanners.database import building

    built = building.build(osv, kev=kev, epss=epss, out=out, now=SystemClock().now(), tolerate=tolerate)
    for sentence in built.malformed:
        print(f"preverify: left out: {sentence}", file=sys.stderr)
    print(
        f"{out}: {built.records} records, {built.withdrawn} withdrawn and {len(built.malformed)} malformed ones left "
        f"out, newest change {built.newest}"
    )


@app.command("push")
def push_command(
    file: Annotated[Path, typer.Argument(help="What `db build` wrote.", show_default=False)],
    reference: Annotated[str, typer.Argument(help="registry/repository:tag", show_default=False)],
    plain_http: PlainHttp = False,
    private: Private = False,
    config: ConfigOption = None,
) -> None:
    """Put a vulnerability database into a registry; print its name by digest, to be signed."""
    from preverify.registry.artifacts import push
    from preverify.scanners.database import artifact

    wanted = Reference.parse(reference)
    if wanted.digest is not None:
        raise BadInput(f"{reference[:120]!r} names a digest, which nobody can choose: expected registry/repository:tag")
    database = Database(file, Digest.of(b""))
    made_at = database.facts.built_at
    database.close()
    settings = load_settings(config) if has_config(config) else Settings()
    packed = artifact.pack(file)
    manifest = artifact.manifest_of(artifact.Layer(Digest.of(packed), len(packed)), f"{made_at:%Y-%m-%dT%H:%M:%SZ}")
    source = _source(settings, wanted, plain_http=plain_http, private=private)
    digest = push(source, wanted, (packed, artifact.EMPTY), manifest, clock=SystemClock())
    print(f"{wanted.repository}@{digest}")


def _source(settings: Settings, reference: Reference, *, plain_http: bool, private: bool) -> Source:
    """Return how a registry is reached: as the database's settings say where it is theirs, else as a source says."""
    configured, registry = settings.vulnerabilities.database, reference.repository.registry
    theirs = configured.reference and Reference.parse(configured.reference).repository.registry == registry
    if theirs:
        return Source(
            registry=registry, credentials=configured.credentials, network=configured.network, tls=configured.tls
        )
    for source in settings.sources.values():
        if source.registry == registry:
            return source
    return Source(registry=registry, network="private" if private else "public", tls=SourceTls(plain_http=plain_http))


def _why_not(answer: Answer) -> str:
    return why(answer) if answer.state is not AnswerState.VERIFIED else "no policy that enforces is about it"


def _said_by(database: Database) -> dict[str, object]:
    facts = database.facts
    return {
        "builtAt": facts.built_at,
        "newest": facts.newest,
        "records": facts.records,
        "withdrawn": facts.withdrawn,
        "malformed": facts.malformed_count,
        "malformedNames": list(facts.malformed),
        "exploitedAt": facts.exploited_at,
        "likelihoodAt": facts.likelihood_at,
        "ecosystems": [
            {"name": name, "records": records, "newest": newest} for name, records, newest in database.newest_of()
        ],
    }
