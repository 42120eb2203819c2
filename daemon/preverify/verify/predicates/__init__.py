"""What attestations say: facts of predicates, read from verified bytes. One module per kind.

slsa-provenance: `builder.id`, `buildType`, `source.uri`, `source.ref`, `source.digest`, `config.path`,
`dependency.uri`, `dependency.ref`, `dependency.digest` (of the first), `dependencies.count`, `parameters` and `inputs`
(canonical JSON), `parameters.names`, `parameters.type`, `workflow.names`, `workflow.ref`, `trigger`, `runner`,
`repository.id`, `owner.id`, `branch`, `tag`, `invocation.id`, `startedOn`, `finishedOn`
spdx: `version`, `name`, `namespace`, `created`, `packages.count`
cyclonedx: `version`, `serialNumber`, `created`, `components.count`
vuln: `scanner.uri`, `scanner.version`, `db.uri`, `db.version`, `db.lastUpdate`, `scan.startedOn`, `scan.finishedOn`,
`findings.count` and `findings.` with each severity
openvex: `id`, `author`, `timestamp`, `statements.count` and `statements.` with each status
vsa: `verifier.id`, `timeVerified`, `resourceUri`, `policy.uri`, `policy.digest`, `result`, `levels`, `inputs.count`,
`slsaVersion`, `validUntil`
svr: `verifier.id`, `policies.count`, `timeCreated`, `properties`
test-result: `result`, `url`, `passed.count`, `warned.count`, `failed.count`
scai: `attributes`, `attributes.count`, `producer`
release: `purl`, `packageId`
link: `name`, `materials.count`
custom: `data`, `timestamp`
apko: `user`, `architectures`, `packages.count`, `annotations.count`
end-of-life: as written

A fact that is not set is left out. Times are in UTC; lists have commas between; digests are `algorithm:value`.
`truncated` names facts that were too long to be kept: none of those on which a decision may rest by what is missing.
"""

import re
from collections.abc import Mapping
from typing import Protocol

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import Keep, parse
from preverify.verify.predicates import (
    apko,
    custom,
    cyclonedx,
    end_of_life,
    link,
    openvex,
    provenance_v01,
    provenance_v02,
    provenance_v1,
    release,
    scai,
    spdx,
    summary,
    test_result,
    verification_result,
    vulnerabilities,
)
from preverify.verify.predicates.facts import Pairs
from preverify.verify.predicates.outline import LARGE, MAX_KEYS, belongs

__all__ = ["READERS", "PredicateReader", "facts_of", "read_predicate", "reader_of"]

MAX_WHOLE = 8 * 1024 * 1024
"""Statements of kinds that are no reports and no bills of materials are read up to this many bytes."""
_ANY_VERSION = "v*"
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class PredicateReader(Protocol):
    """What every module of a kind in this folder offers."""

    NAME: str
    """The short name that policies use."""
    TYPES: tuple[str, ...]
    """Predicate types; a last `v*` stands for any version number."""

    def read(self, predicate: object, statement: Mapping[str, object]) -> Pairs:
        """Return the facts, sorted by name. `statement` is the whole document, for kinds that say more beside.

        Raises:
            MalformedEvidence: `statement-malformed`, where the predicate has not the shape of its kind.
        """


READERS: tuple[PredicateReader, ...] = (
    provenance_v1,
    provenance_v02,
    provenance_v01,
    spdx,
    cyclonedx,
    vulnerabilities,
    openvex,
    summary,
    verification_result,
    test_result,
    scai,
    release,
    link,
    custom,
    apko,
    end_of_life,
)
_BY_TYPE: Mapping[str, PredicateReader] = {kind: reader for reader in READERS for kind in reader.TYPES}
_OUTLINED = frozenset({spdx.NAME, cyclonedx.NAME})
_CUT_DOWN: Mapping[str, Keep] = {vulnerabilities.NAME: vulnerabilities.keep}


def reader_of(predicate_type: str) -> PredicateReader | None:
    """Return who reads predicates of a type; None where nobody does."""
    head, _, version = predicate_type.rpartition("/v")
    if _VERSION.fullmatch(version) is not None and f"{head}/{_ANY_VERSION}" in _BY_TYPE:
        return _BY_TYPE[f"{head}/{_ANY_VERSION}"]
    return None if version == "*" else _BY_TYPE.get(predicate_type)


def read_predicate(predicate_type: str, payload: bytes) -> Pairs:
    """Return the facts of a predicate, sorted by name; none where the type is not known.

    Args:
        predicate_type: As the statement itself says it.
        payload: The exact statement bytes that a signature covers.

    Raises:
        MalformedEvidence: `statement-malformed` where a predicate of a known type has not its shape; `too-large` where
            it is larger than predicates of its kind are read.
    """
    reader = reader_of(predicate_type)
    if reader is None:
        return ()
    large = len(payload) > LARGE
    if large and reader.NAME in _OUTLINED:
        return _read(reader, _parse(payload, belongs))
    return facts_of(predicate_type, {} if large else _parse(payload, None), payload)


def facts_of(predicate_type: str, statement: Mapping[str, object], payload: bytes) -> Pairs:
    """Return the facts of a predicate out of a statement that has been read already.

    Args:
        predicate_type: As the statement itself says it.
        statement: The document as `read_statement` gives it; of a large one, the outline.
        payload: The exact bytes, for kinds whose facts need more than the outline.

    Raises:
        MalformedEvidence: as `read_predicate`.
    """
    reader = reader_of(predicate_type)
    if reader is None:
        return ()
    if len(payload) <= LARGE or reader.NAME in _OUTLINED:
        return _read(reader, statement)
    keep = _CUT_DOWN.get(reader.NAME)
    if keep is None and len(payload) > MAX_WHOLE:
        detail = f"a {reader.NAME} statement of {len(payload)} bytes, at most {MAX_WHOLE} are read"
        raise MalformedEvidence(Reason.TOO_LARGE, detail)
    return _read(reader, _parse(payload, keep))


def _read(reader: PredicateReader, statement: Mapping[str, object]) -> Pairs:
    return reader.read(statement.get("predicate"), statement)


def _parse(payload: bytes, keep: Keep | None) -> Mapping[str, object]:
    document = parse(payload, max_bytes=len(payload), max_keys=MAX_KEYS, reason=Reason.STATEMENT_MALFORMED, keep=keep)
    if not isinstance(document, dict):
        raise MalformedEvidence(Reason.STATEMENT_MALFORMED, "a statement is no object")
    return document
