"""`preverify policy test`: what policies have to say of images that are at hand."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree as ET

import typer

from preverify import pipeline, wiring
from preverify.clock import SystemClock
from preverify.commands.common import Exit, Output, emit, load_settings, table
from preverify.model.digest import Digest
from preverify.model.errors import BadConfiguration, MalformedEvidence, NotFound, Unavailable
from preverify.model.reference import Reference, Subject
from preverify.model.tags import Tags
from preverify.policy.answers import compose, policy_answer
from preverify.policy.policies import PolicySet
from preverify.policy.policy_tests import (
    SUFFIXES,
    CaseSpec,
    PolicyTestDocument,
    Seen,
    Tried,
    judge,
    read_tests,
    repository_of,
)
from preverify.ports import Vulnerabilities
from preverify.settings import read_bounded

_MAX_BYTES = 1 << 20


class Form(StrEnum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    JUNIT = "junit"


def try_command(
    places: Annotated[
        list[Path], typer.Argument(help="Files *.test.yaml, or directories that hold some.", show_default=False)
    ],
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy", "-p", help="Policy file or directory, instead of that of each file.", show_default=False
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Configuration whose vulnerability database is used; without, none.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="Form of the output.")] = Form.TABLE,
) -> None:
    """Try policies on images in OCI layouts, as of a given time and without network.

    Exit code 1: some case went otherwise than expected; 2: a test or a policy cannot be used.
    """
    database = None if config is None else wiring.open_vulnerabilities(load_settings(config))
    tried = [each for file in _files(places) for each in _try_file(file, policy, database)]
    wrong = [each for each in tried if each.problems]
    if output is Form.JUNIT:
        ET.ElementTree(_junit(tried)).write(sys.stdout.buffer, encoding="utf-8", xml_declaration=True)
        print()
        raise typer.Exit(Exit.NOT_VERIFIED if wrong else Exit.VERIFIED)
    document = {
        "cases": len(tried),
        "failed": len(wrong),
        "results": [
            {"test": e.test, "case": e.case, "passed": not e.problems, "seen": e.seen, "problems": list(e.problems)}
            for e in tried
        ],
    }
    if output is Form.TABLE:
        print(f"{len(tried)} cases, {len(wrong)} went otherwise than expected")
    rows = [
        ("FAILED" if e.problems else "ok", e.test, e.case, "; ".join((*e.problems, e.seen)) if e.problems else e.seen)
        for e in tried
    ]
    emit(document, Output(output.value), table("RESULT", "TEST", "CASE", "SEEN", rows=rows))
    raise typer.Exit(Exit.NOT_VERIFIED if wrong else Exit.VERIFIED)


def _files(places: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += sorted(each for each in place.iterdir() if each.name.endswith(SUFFIXES) and each.is_file())
        else:
            files.append(place)
    if not files:
        raise BadConfiguration("no *.test.yaml in it, expected tests of policies", where=str(places[0]))
    return files


def _try_file(file: Path, given: list[Path] | None, database: Vulnerabilities | None) -> Iterator[Tried]:
    try:
        data = read_bounded(file, _MAX_BYTES)
    except OSError as error:
        raise BadConfiguration(f"cannot be read: {error.strerror}", where=str(file)) from error
    policies = wiring.read_policies(tuple(given) if given else (file.parent,))
    for test in read_tests(data, name=str(file)):
        for case in test.spec.cases:
            yield _try(file.parent, policies, test, case, database)


def _try(
    base: Path, policies: PolicySet, test: PolicyTestDocument, case: CaseSpec, database: Vulnerabilities | None
) -> Tried:
    """Look at the image as the daemon does, at the given time. What cannot be looked at went otherwise."""
    repository, at = repository_of(case), case.at or test.spec.at
    directory = (base / case.layout).resolve()
    reference = Reference(repository, case.tag, None if case.digest is None else Digest.parse(case.digest))
    names = tuple(sorted(set(case.tags if case.tags is not None else (case.tag,) if case.tag else ())))

    def tagged(subject: Subject, now: datetime) -> Tags:
        del subject, now
        return Tags(names=names)

    clock = _At(at)
    try:
        registry = wiring.open_layout(directory, repository, clock=clock)
        seen = pipeline.verify_reference(registry, policies, reference, clock=clock, database=database, tagged=tagged)
    except (NotFound, MalformedEvidence, Unavailable) as error:
        return Tried(test=test.metadata.name, case=case.name, seen="", problems=(f"cannot be looked at: {error}",))
    answer = compose(
        policies,
        repository,
        seen.subject.digest,
        {verdict.policy: policy_answer(policies, verdict) for verdict in seen.verdicts},
        image=str(repository),
        generation=0,
        namespaces=case.namespace,
        now=at,
    )
    return judge(test.metadata.name, case, Seen(answer=answer, excepted={v.policy: v.excepted for v in seen.verdicts}))


class _At(SystemClock):
    """A clock that stands still."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


def _junit(tried: Sequence[Tried]) -> ET.Element:
    """Return results in the form that build servers read."""
    wrong = sum(bool(each.problems) for each in tried)
    suite = ET.Element("testsuite", name="preverify policy test", tests=str(len(tried)), failures=str(wrong))
    for each in tried:
        case = ET.SubElement(suite, "testcase", classname=each.test, name=each.case)
        if each.problems:
            ET.SubElement(case, "failure", message="; ".join(each.problems)).text = each.seen
    return suite
