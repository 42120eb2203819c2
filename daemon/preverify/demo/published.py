"""Looking for our statements where a consumer would: beside the image, in the registry, with only the public key."""

import json
from collections.abc import Iterator
from datetime import datetime

from preverify.attest.check import Wanted, check
from preverify.demo.content import Content
from preverify.model.keys import TrustedKey
from preverify.model.reference import Subject


def statement_holds(content: Content, subject: Subject, key: TrustedKey, *, now: datetime) -> bool:
    """Say whether a verification summary by `key` about `subject` lies in the registry and holds."""
    wanted = Wanted(subject=subject, keys=(key,))
    return any(check(body, wanted, now=now).holds for body in _beside(content, subject))


def _beside(content: Content, subject: Subject) -> Iterator[bytes]:
    """Yield what the layers of the `.att` tag and of the referrers hold, the fallback tag's included."""
    path, digest = subject.repository.path, str(subject.digest)
    tag = digest.replace(":", "-")
    references = [f"{tag}.att", *(str(entry["digest"]) for entry in content.referrers(path, digest))]
    if fallback := content.manifest(path, tag):
        listed = fallback[1].document().get("manifests", [])
        references += [entry["digest"] for entry in listed] if isinstance(listed, list) else []
    for reference in dict.fromkeys(references):
        if found := content.manifest(path, reference):
            layers = json.loads(found[1].content).get("layers", [])
            yield from (content.blobs[layer["digest"]] for layer in layers if layer["digest"] in content.blobs)
