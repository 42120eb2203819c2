"""`python -m preverify.bench.large FILE KEY DIGEST`: verify one large attestation in a process of its own.

Prints a JSON object with the resident memory before, the peak after, both in MiB, the seconds and what was concluded.
"""

import json
import re
import sys
import time
from pathlib import Path

from preverify.bench.samples import NOW
from preverify.model.anchors import KeyAnchor
from preverify.model.digest import Digest
from preverify.model.dsse import DSSE_ENVELOPE
from preverify.model.evidence import Evidence, Format, Image, Place
from preverify.model.reference import Repository, Subject
from preverify.model.trust import Trust
from preverify.verify import load_public_key, verify


def main() -> None:
    """Read the layer as the registry room does, whole, and verify it."""
    file, key, digest = sys.argv[1:]
    anchor = KeyAnchor(key=load_public_key(Path(key).read_bytes()))
    subject = Subject(Repository("registry.bench", "app"), Digest.parse(digest))
    image = Image(subject=subject, manifest=b"{}", media_type="application/vnd.oci.image.manifest.v1+json")
    idle = memory("VmRSS")
    start = time.perf_counter()
    body = Path(file).read_bytes()
    evidence = Evidence(
        format=Format.COSIGN_ATTESTATION,
        manifest=Digest.of(b"bench"),
        index=0,
        body=body,
        digest=Digest.of(body),
        media_type=DSSE_ENVELOPE,
        annotations=(("dev.cosignproject.cosign/signature", ""),),
        place=Place.ATTESTATION_TAG,
    )
    findings = verify(image, (evidence,), (anchor,), trust=Trust(), now=NOW)
    seconds = time.perf_counter() - start
    reasons = [finding.reason.value for finding in findings]
    print(json.dumps({"idle": idle, "peak": memory("VmHWM"), "seconds": seconds, "reasons": reasons}))


def memory(field: str) -> float:
    """Return a figure of /proc/self/status in MiB."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}")
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
