"""The bounds in the documents are those in the code."""

import re
from pathlib import Path

import pytest

from preverify.admission import batch, validate
from preverify.admission.question import MAX_IMAGES
from preverify.observe.catalogue import MAX_SERIES
from preverify.observe.logs import MAX_FIELD_BYTES
from preverify.registry.client import Limits
from preverify.registry.gather import GatherLimits
from preverify.registry.manifests import MAX_MANIFEST
from preverify.registry.images import MAX_CHILDREN
from preverify.verify import envelope, sigstore_bundle
from preverify.webhooks import MAX_BODY_BYTES

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "limits.md").read_text()
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", TEXT.partition("## Bounds")[2], re.MULTILINE))
MIB = 1 << 20
GATHER, CLIENT = GatherLimits(), Limits()


@pytest.mark.parametrize(
    ("row", "bound"),
    [
        ("manifest or index", f"{MAX_MANIFEST // MIB} MiB"),
        ("signature payload", f"{GATHER.signature_bytes // MIB} MiB"),
        ("attestation envelope", f"{envelope.MAX_ENVELOPE_BYTES // MIB} MiB"),
        (
            "Sigstore bundle",
            (
                f"{GATHER.bundle_bytes // MIB} MiB; {sigstore_bundle.MAX_LOG_ENTRIES} log entries, "
                f"{sigstore_bundle.MAX_TIMESTAMPS} time stamps"
            ),
        ),
        ("signatures in an envelope", str(envelope.MAX_SIGNATURES)),
        ("evidence of each kind for an image", f"{GATHER.considered} read, {GATHER.listed} listed"),
        ("referrers listed", f"{CLIENT.referrers}, in at most {CLIENT.referrer_pages} pages"),
        ("children of an index", str(MAX_CHILDREN)),
        (
            "all that is read for one image, its children included",
            f"{GATHER.total_bytes // MIB} MiB, {GATHER.deadline.total_seconds() / 60:.0f} minutes",
        ),
        ("tags listed in one pass", f"{CLIENT.tags:,}; the next pass goes on"),
        ("notification", f"{MAX_BODY_BYTES // 1024} KiB"),
        ("admission request", f"{validate.MAX_BODY_BYTES // MIB} MiB, {MAX_IMAGES:,} images"),
        ("batch", f"{batch.MAX_BODY_BYTES // MIB} MiB, {MAX_IMAGES:,} items"),
        ("redirects", f"{CLIENT.redirects}, never with credentials to another host"),
        ("metric series", f"{MAX_SERIES:,}"),
        ("log field", f"{MAX_FIELD_BYTES // 1024} KiB"),
    ],
)
def test_each_bound_is_the_one_that_holds(row: str, bound: str) -> None:
    assert ROWS[row] == bound
