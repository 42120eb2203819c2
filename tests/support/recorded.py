"""Signatures with log entries and time stamps of one small Sigstore instance, and verdicts of policies that trust it.

Everything is real: a root with an issuing authority, a certificate log, a Rekor of each version and a time stamp
authority. What a test wants bent is bent by whoever would have to bend it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import yaml
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.model.evidence import Evidence
from preverify.model.trust import SigstoreRoot
from preverify.model.verdicts import Verdict
from preverify.policy.documents import load
from preverify.verify.formats.cosign_legacy import CERTIFICATE_ANNOTATION, LOG_ANNOTATION, STAMP_ANNOTATION
from preverify.verify.logs.entries import Entry
from support import deciding, pki, signed
from support.keyless import IMAGE
from support.logged import Ledger
from support.signed import b64, compact

__all__ = ["IMAGE", "Instance", "annotated", "in_bundle", "verdict"]

OLD_TYPE = "application/vnd.dev.sigstore.bundle+json;version=0."
WORKFLOW = "https://github.test/o/r/.github/workflows/x.yml@refs/heads/main"
ISSUER = "https://issuer.test"
KEYLESS = {"issuer": ISSUER, "subject": WORKFLOW, "trust": "own"}
"""A signer with every default: a log entry, a trusted time and a logged certificate are demanded."""


def pem(secret: Any) -> bytes:
    """Return the public half as text."""
    return secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One Sigstore instance of our own; two of them have no key in common."""

    name: str = "own"
    old: Ledger = field(default_factory=lambda: Ledger(old=True, name="rekor1.test"))
    new: Ledger = field(default_factory=lambda: Ledger(name="rekor2.test"))

    @cached_property
    def top(self) -> pki.Party:
        """Return the root authority."""
        return pki.root(f"root of {self.name}")

    @cached_property
    def issuing(self) -> pki.Party:
        """Return the authority that issues certificates."""
        return pki.intermediate(self.top, f"issuing of {self.name}")

    @cached_property
    def ct(self) -> pki.CtLog:
        """Return the certificate log."""
        return pki.CtLog(key=pki.key(name=f"ct of {self.name}"))

    @cached_property
    def tsa(self) -> pki.Tsa:
        """Return the time stamp authority."""
        return pki.tsa(pki.root(f"tsa root of {self.name}"))

    @cached_property
    def root(self) -> SigstoreRoot:
        """Return what trusts this instance."""
        return SigstoreRoot(
            name=self.name,
            authorities=(self.issuing.authority(),),
            logs=(self.old.log, self.new.log),
            ct_logs=(self.ct.log,),
            timestamp_authorities=(self.tsa.authority,),
        )

    def leaf(self, subject: str = WORKFLOW, *more: pki.Marked, **how: Any) -> pki.Party:
        """Return a logged certificate, as `pki.leaf` makes it."""
        plain, issuing = pki.leaf(self.issuing, subject, *more, **how), self.issuing
        return pki.logged(plain, issuing, lambda body: self.ct.sct(body, issuing))

    def entry(
        self, signature: bytes, content: bytes, verifier: bytes, *, time: datetime | None = None, new: bool = False
    ) -> Entry:
        """Return the entry of a signature over bytes. `verifier` is a certificate (DER), or a public key (PEM).

        Of the old log it has a promise where `time` is given, and always a proof; of the new log a proof alone.
        """
        digest = hashlib.sha256(content).digest()
        by_key = verifier.startswith(b"-----BEGIN PUBLIC KEY")
        if new:
            held = {"x509Certificate": {"rawBytes": b64(verifier)}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
            record = {
                "data": {"algorithm": "SHA2_256", "digest": b64(digest)},
                "signature": {"content": b64(signature), "verifier": held},
            }
            body = {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}
            return self.new.entry(compact(body))
        text = verifier if by_key else as_pem(verifier)
        spec = {
            "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
            "signature": {"content": b64(signature), "publicKey": {"content": b64(text)}},
        }
        body = {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}
        return self.old.entry(compact(body), time=None if time is None else int(time.timestamp()))

    def layer(
        self,
        leaf: pki.Party,
        *,
        time: datetime | None = pki.SIGNED_AT,
        stamped: datetime | None = None,
        body: bytes = compact(signed.payload(IMAGE.subject.digest)),
        entry: Entry | None = None,
    ) -> Evidence:
        """Return a signature of the tag format; logged at `time`, or with `entry` in its place."""
        signature = leaf.signs(body)
        found = entry or (None if time is None else self.entry(signature, body, leaf.der, time=time))
        plain = signed.legacy(body, signature=b64(signature))
        notes = [*plain.annotations, (CERTIFICATE_ANNOTATION, leaf.pem.decode())]
        if found is not None:
            notes.append((LOG_ANNOTATION, annotated(found)))
        if stamped is not None:
            stamp = b64(self.tsa.response(signature, at=stamped))
            notes.append((STAMP_ANNOTATION, compact({"SignedRFC3161Timestamp": stamp}).decode()))
        return replace(plain, annotations=tuple(notes))

    def bundle(
        self,
        leaf: pki.Party,
        *,
        version: int = 3,
        content: bytes = IMAGE.manifest,
        time: datetime | None = pki.SIGNED_AT,
        stamped: datetime | None = None,
        new: bool = False,
        entries: Sequence[Mapping[str, Any]] | None = None,
        signature: bytes = b"",
    ) -> dict[str, Any]:
        """Return a bundle with a signature over bytes, logged at `time` (or with `entries`), stamped at `stamped`."""
        signature = signature or leaf.signs(content)
        if entries is None:
            entries = [in_bundle(self.entry(signature, content, leaf.der, time=None if new else time, new=new))]
        certificate = {"rawBytes": b64(leaf.der)}
        held = (
            {"certificate": certificate} if version == 3 else {"x509CertificateChain": {"certificates": [certificate]}}
        )
        stamps = [] if stamped is None else [{"signedTimestamp": b64(self.tsa.response(signature, at=stamped))}]
        return {
            "mediaType": f"{OLD_TYPE}{version}" if version < 3 else signed.MEDIA_TYPE,
            "verificationMaterial": {
                **held,
                "tlogEntries": list(entries),
                "timestampVerificationData": {"rfc3161Timestamps": stamps},
            },
            "messageSignature": {"signature": b64(signature)},
        }

    @property
    def trust(self) -> dict[str, Any]:
        """Return the `spec` of a Trust document for this instance; the files are those of `files`."""
        part = {
            "authorities": [{"files": ["ca.pem"]}],
            "logs": [{"key": "rekor1.pub"}, {"key": "rekor2.pub", "origin": self.new.name}],
            "ctLogs": [{"key": "ct.pub"}],
            "timestampAuthorities": [{"files": ["tsa.pem"]}],
        }
        return {"roots": {"own": part}}

    @property
    def files(self) -> dict[str, bytes]:
        """Return what an operator would have saved."""
        return {
            "ca.pem": self.issuing.pem + self.top.pem,
            "tsa.pem": b"".join(map(as_pem, self.tsa.party.chain)),
            "rekor1.pub": pem(self.old.key),
            "rekor2.pub": pem(self.new.key),
            "ct.pub": pem(self.ct.key),
        }


def as_pem(der: bytes) -> bytes:
    """Return a certificate as text."""
    return pki.x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def annotated(entry: Entry) -> str:
    """Return an entry as cosign's annotation has it."""
    payload = {
        "body": b64(entry.body),
        "integratedTime": entry.integrated_time,
        "logIndex": entry.log_index,
        "logID": entry.log_id.hex(),
    }
    return compact({"SignedEntryTimestamp": b64(entry.promise or b""), "Payload": payload}).decode()


def in_bundle(entry: Entry) -> dict[str, Any]:
    """Return an entry as bundles have it."""
    document: dict[str, Any] = {
        "logIndex": str(entry.log_index),
        "logId": {"keyId": b64(entry.log_id)},
        "kindVersion": {"kind": entry.kind, "version": entry.version},
        "canonicalizedBody": b64(entry.body),
    }
    if entry.integrated_time:
        document["integratedTime"] = str(entry.integrated_time)
    if entry.promise is not None:
        document["inclusionPromise"] = {"signedEntryTimestamp": b64(entry.promise)}
    if entry.proof is not None:
        document["inclusionProof"] = {
            "logIndex": str(entry.proof.log_index),
            "rootHash": b64(entry.proof.root_hash),
            "treeSize": str(entry.proof.tree_size),
            "hashes": [b64(each) for each in entry.proof.hashes],
            "checkpoint": {"envelope": entry.proof.checkpoint},
        }
    return document


def verdict(
    instance: Instance,
    evidence: Sequence[Evidence],
    rule: Mapping[str, Any],
    *,
    signers: Mapping[str, Any],
    now: datetime = pki.SIGNED_AT,
) -> Verdict:
    """Return the verdict on `IMAGE` of a policy with one rule, by written documents, as of `now`."""
    specs = {
        "Trust": instance.trust,
        "Signers": dict(signers),
        "Policy": {"images": ["**"], "require": [{"name": "demanded", **rule}]},
    }
    documents = [
        {"apiVersion": "preverify/v1", "kind": kind, "metadata": {"name": "test"}, "spec": spec}
        for kind, spec in specs.items()
    ]

    def read(name: str) -> bytes:
        known = instance.files
        return known[name] if name in known else (signed.FIXTURES / name).read_bytes()

    policies = load([("test.yaml", yaml.safe_dump_all(documents).encode())], read)
    return deciding.decide_policies(policies, IMAGE, evidence, now=now)
