"""Images with a configuration, as gathering returns them: manifests and configurations with the right digests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from preverify.model.digest import Digest
from preverify.model.evidence import Blob, Flaw, Gathered, Image, Unobtained
from preverify.model.findings import Finding
from preverify.model.reference import Subject
from preverify.model.verdicts import Answer
from support.asking import ask
from support.policies import REPOSITORY, SUBJECT, policy_set, policy_text

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
CREATED = "2026-01-01T10:00:00Z"


def document(section: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a configuration whose section `config` is given; `changes` are other members of the whole."""
    return {
        "created": CREATED,
        "os": "linux",
        "architecture": "amd64",
        "config": dict(section or {}),
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
        "history": [{"created_by": "COPY app /app"}],
        **changes,
    }


def image(
    config: Mapping[str, Any] | bytes | None = None,
    *,
    layers: Sequence[int] = (1000,),
    annotations: Mapping[str, str] | None = None,
    config_type: str = OCI_CONFIG,
    unobtained: tuple[Unobtained, ...] = (),
    flaw: Flaw | None = None,
    manifest: bytes | None = None,
) -> Gathered:
    """Return an image with a configuration; `unobtained` leaves it out, `flaw` makes it void."""
    body = config if isinstance(config, bytes) else json.dumps(document() if config is None else config).encode()
    digest = Digest.of(body)
    written = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": config_type, "digest": str(digest), "size": len(body)},
        "layers": [
            {"mediaType": f"{OCI_MANIFEST}.layer", "digest": str(Digest.of(bytes([i]))), "size": size}
            for i, size in enumerate(layers)
        ],
        **({} if annotations is None else {"annotations": dict(annotations)}),
    }
    data = json.dumps(written).encode() if manifest is None else manifest
    blob = Blob(digest=digest, body=b"" if flaw else body, flaw=flaw)
    return Gathered(
        image=Image(subject=Subject(REPOSITORY, Digest.of(data)), manifest=data, media_type=OCI_MANIFEST),
        unobtained=unobtained,
        config=None if unobtained else blob,
    )


def index(children: Mapping[str, Gathered]) -> Gathered:
    """Return an index of images by platform."""
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": str(child.image.subject.digest), "size": len(child.image.manifest)}
        for child in children.values()
    ]
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    return Gathered(
        image=Image(
            subject=Subject(REPOSITORY, Digest.of(data)),
            manifest=data,
            media_type=OCI_INDEX,
            children=tuple(child.image.subject.digest for child in children.values()),
            platforms=tuple(children),
        ),
        children=tuple(children.values()),
    )


def answer(demand: str, seen: Gathered, *findings: Finding, **asked: Any) -> Answer:
    """Ask about an image under a policy with the one demand `kind: …`, in YAML flow text."""
    subject = replace(seen, image=replace(seen.image, subject=SUBJECT))
    return ask(policy_set(policy_text(f"[{{name: x, {demand}}}]")), *findings, seen=subject, **asked)


def answers(kept: str, violated: str, seen: Gathered, **asked: Any) -> tuple[Answer, Answer]:
    """Ask under two demands about one image."""
    return answer(kept, seen, **asked), answer(violated, seen, **asked)
