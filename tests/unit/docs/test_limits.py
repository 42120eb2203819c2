"""The bounds in the documents are those in the code."""

import re
from pathlib import Path

import pytest

from preverify import concluding
from preverify.admission import batch, validate
from preverify.admission.question import MAX_IMAGES
from preverify.model.contents import MAX_ENTRIES
from preverify.observe.catalogue import MAX_SERIES
from preverify.observe.logs import MAX_FIELD_BYTES
from preverify.policy import cel, documents, exceptions, policies
from preverify.policy.cel import bounds, facts
from preverify.policy.demands import images, license_expressions, purls
from preverify.policy.rules import combined
from preverify.registry.client import Limits
from preverify.registry.gather import GatherLimits
from preverify.registry.images import MAX_CHILDREN, MAX_CONFIG
from preverify.registry.manifests import MAX_MANIFEST
from preverify.registry.revocation import FetchLimits
from preverify.scanners.database import artifact, building, osv
from preverify.scanners.sandbox.layout import LayoutLimits
from preverify.scanners.sandbox.running import Limits as ScanLimits
from preverify.verify.certificates import certificate as certificate_der
from preverify.verify.contents import reading
from preverify.verify.formats import cosign_legacy
from preverify.verify.logs import checkpoints
from preverify.verify.logs import entries as log_entries
from preverify.verify.notation import attributes as notation_envelope
from preverify.verify.predicates import outline
from preverify.verify.revoked import chain as revoked
from preverify.verify.revoked import crls, ocsp
from preverify.verify.sigstore import bundle_document
from preverify.verify.stamps import tokens as timestamp_tokens
from preverify.verify.statements import envelope, statement
from preverify.verify.statements.statement import MAX_PAYLOAD_BYTES
from preverify.webhooks import MAX_BODY_BYTES

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "limits.md").read_text()
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", TEXT.partition("## Bounds")[2], re.MULTILINE))
MIB = 1 << 20
GATHER, CLIENT, FETCH = GatherLimits(), Limits(), FetchLimits()
SCAN, FETCHED = ScanLimits(), LayoutLimits()


BOUNDS = [
    ("manifest or index", f"{MAX_MANIFEST // MIB} MiB"),
    ("signature payload", f"{GATHER.signature_bytes // MIB} MiB"),
    ("attestation envelope", f"{envelope.MAX_ENVELOPE_BYTES // MIB} MiB"),
    (
        "Sigstore bundle",
        (
            f"{GATHER.bundle_bytes // MIB} MiB; {bundle_document.MAX_LOG_ENTRIES} log entries, "
            f"{bundle_document.MAX_STAMPS} time stamps, {bundle_document.MAX_CERTIFICATES} certificates"
        ),
    ),
    ("signatures in an envelope", str(envelope.MAX_SIGNATURES)),
    ("subjects of a statement", f"{statement.MAX_SUBJECTS:,}"),
    (
        "statement with a bill of materials, scan or VEX document",
        (
            f"{MAX_PAYLOAD_BYTES // MIB} MiB; {MAX_ENTRIES:,} components, vulnerabilities or statements; "
            f"{reading.MAX_KEPT:,} objects of which something is read; {outline.MAX_KEYS:,} values"
        ),
    ),
    (
        "package URL, licence",
        f"{purls.MAX_PURL:,} characters, {license_expressions.MAX_LENGTH:,} characters; beyond, they are unknown",
    ),
    ("documents of one manifest that are matched", str(concluding._MOST_MATCHED)),
    (
        "configuration of an image",
        f"{MAX_CONFIG // MIB} MiB; {images.MAX_CONFIG // MIB} MiB where rules look at it",
    ),
    (
        "Notation envelope",
        f"{notation_envelope.MAX_ENVELOPE_BYTES // MIB} MiB; {notation_envelope.MAX_CERTIFICATES} certificates",
    ),
    (
        "log entry",
        (
            f"{log_entries.MAX_BODY_BYTES // MIB} MiB; {log_entries.MAX_HASHES} hashes; "
            f"checkpoint of {checkpoints.MAX_CHECKPOINT // 1024} KiB, {checkpoints.MAX_SIGNATURES} signatures"
        ),
    ),
    ("log entry in the older format", f"{log_entries.MAX_ANNOTATION_BYTES // MIB} MiB"),
    ("time stamp", f"{timestamp_tokens.MAX_TOKEN_BYTES // 1024} KiB"),
    (
        "certificate",
        f"{certificate_der.MAX_CERTIFICATE_BYTES // 1024} KiB, in chains of {certificate_der.MAX_CHAIN}",
    ),
    (
        "revocation list, OCSP response",
        (
            f"{crls.MAX_CRL_BYTES // MIB} MiB in {FETCH.crl_total.seconds} s, "
            f"{ocsp.MAX_OCSP_BYTES // 1024} KiB in {FETCH.ocsp_total.seconds} s; "
            f"{revoked.MAX_WANTED} questions a chain, {FETCH.deadline.seconds} s for all"
        ),
    ),
    ("evidence of each kind for an image", f"{GATHER.considered} read, {GATHER.listed} listed"),
    ("referrers listed", f"{CLIENT.referrers}, in at most {CLIENT.referrer_pages} pages"),
    ("children of an index", str(MAX_CHILDREN)),
    (
        "all that is read for one image, its children included",
        f"{GATHER.total_bytes // MIB} MiB, {GATHER.deadline.seconds // 60} minutes",
    ),
    (
        "all that is read for one image, its children included",
        f"{GATHER.total_bytes // MIB} MiB, {GATHER.deadline.total_seconds() / 60:.0f} minutes",
    ),
    (
        "scan of one image by a scanner",
        (
            f"{SCAN.wall.seconds // 60} minutes (`vulnerabilities.scanner.timeout`), {FETCHED.layers} layers, "
            f"{FETCHED.layer >> 30} GiB a layer, {FETCHED.total >> 30} GiB together"
        ),
    ),
    (
        "the scanner itself",
        (
            f"{SCAN.cpu_seconds} s of processor time and {SCAN.memory >> 30} GiB of memory a process, "
            f"{SCAN.processes} processes, {SCAN.files} open files, {SCAN.scratch >> 30} GiB of scratch, "
            f"{SCAN.output // MIB} MiB of output, {SCAN.scanner // MIB} MiB of program"
        ),
    ),
    (
        "vulnerability database",
        (
            f"{artifact.MAX_PACKED >> 30} GiB packed, {artifact.MAX_UNPACKED >> 30} GiB unpacked, "
            f"{artifact.MAX_RATIO} times as much unpacked; {building.MAX_RECORDS:,} records, "
            f"{osv.MAX_RECORD // MIB} MiB a record"
        ),
    ),
    ("policies", f"{documents.MAX_POLICIES:,}; {policies._MAX_DOCUMENT // MIB} MiB compiled"),
    ("exceptions", f"{exceptions.MAX_EXCEPTIONS:,}; {exceptions.LONGEST.days} days each"),
    (
        "demands put together",
        f"{combined.MAX_DEPTH} levels, {combined._MAX_LIST} a list, {combined.MAX_DEMANDS} a rule",
    ),
    (
        "CEL expression",
        (
            f"{cel.MAX_EXPRESSION:,} bytes; {cel.MAX_NESTED} loops inside of one another, {cel.MAX_LOOPS} altogether; "
            f"{bounds.MAX_COST:,} units of cost; texts of {facts.MAX_TEXT // 1024} KiB, "
            f"{facts.MAX_VALUES:,} values of one variable, {facts.MAX_LEVELS} levels"
        ),
    ),
    ("tags listed in one pass", f"{CLIENT.tags:,}; the next pass goes on"),
    ("notification", f"{MAX_BODY_BYTES // 1024} KiB"),
    ("admission request", f"{validate.MAX_BODY_BYTES // MIB} MiB, {MAX_IMAGES:,} images"),
    ("batch", f"{batch.MAX_BODY_BYTES // MIB} MiB, {MAX_IMAGES:,} items"),
    ("redirects", f"{CLIENT.redirects}, never with credentials to another host"),
    ("metric series", f"{MAX_SERIES:,}"),
    ("log field", f"{MAX_FIELD_BYTES // 1024} KiB"),
]


@pytest.mark.parametrize(("row", "bound"), BOUNDS, ids=[row for row, _ in BOUNDS])
def test_each_bound_is_the_one_that_holds(row: str, bound: str) -> None:
    assert ROWS[row] == bound


def test_bounds_that_stand_in_two_places_are_one() -> None:
    """What the registry room reads at most is what the verifier reads at most."""
    assert GATHER.bundle_bytes == bundle_document.MAX_BUNDLE_BYTES
    assert GATHER.signature_bytes == cosign_legacy.MAX_PAYLOAD_BYTES == notation_envelope.MAX_ENVELOPE_BYTES
    assert GATHER.attestation_bytes == envelope.MAX_ENVELOPE_BYTES
    assert (FETCH.crl_bytes, FETCH.ocsp_bytes) == (crls.MAX_CRL_BYTES, ocsp.MAX_OCSP_BYTES)


def test_every_row_is_compared() -> None:
    """A row that nothing compares is right until somebody changes the code."""
    unknown = {"JSON", "what", "---"}
    assert set(ROWS) - unknown == {row for row, _ in BOUNDS}
