"""Images signed with certificates made here: one layer in the tag format, with whatever certificate a test wants."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from preverify.model.anchors import KeylessAnchor, Log, Stamps
from preverify.model.digest import Digest
from preverify.model.evidence import Evidence, Image
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.trust import Authority, SigstoreRoot, Trust
from preverify.verify import verify
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION, STAMP_ANNOTATION
from support import pki, signed

MANIFEST = b"{}"
IMAGE = Image(
    subject=Subject(Repository("registry.test", "acme/app"), Digest.of(MANIFEST)),
    manifest=MANIFEST,
    media_type="application/vnd.oci.image.manifest.v1+json",
)


def layer(leaf: pki.Party, tsa: pki.Tsa | None = None, *, certificate: bytes | None = None, **stamped: Any) -> Evidence:
    """Return a signature of `IMAGE` by `leaf`, stamped by `tsa`; `certificate` (PEM) is what it carries instead."""
    body = signed.compact(signed.payload(IMAGE.subject.digest))
    signature = leaf.signs(body)
    plain = signed.legacy(body, signature=signed.b64(signature))
    more = [(CERTIFICATE_ANNOTATION, (certificate or leaf.pem).decode())]
    if tsa is not None:
        response = signed.b64(tsa.response(signature, **stamped))
        more.append((STAMP_ANNOTATION, signed.compact({"SignedRFC3161Timestamp": response}).decode()))
    return replace(plain, annotations=(*plain.annotations, *more))


def finding(evidence: Evidence, *authorities: Authority, tsa: pki.Tsa | None = None, now: datetime) -> Finding:
    """Return what evidence establishes: with `tsa`, under a demand for time stamps; without, at `now`."""
    stampers = (tsa.authority,) if tsa else ()
    root = SigstoreRoot(name="own", authorities=authorities, timestamp_authorities=stampers)
    stamps = Stamps.REQUIRED if tsa else Stamps.NONE
    anchor = KeylessAnchor(root=root.id, log=Log.NONE, stamps=stamps, sct=False)
    (found,) = verify(IMAGE, (evidence,), (anchor,), trust=Trust(roots=(root,)), now=now)
    return found
