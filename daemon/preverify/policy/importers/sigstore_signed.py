"""What containers/image and OpenShift demand of a signature in cosign's older format, as rules and signers.

Both read such signatures alike: over the manifest of the platform that is pulled, and with a name in the payload that
has to suit. So every platform of an index has to be signed here, and the payload's name is always demanded.
"""

import base64
import binascii
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from preverify.model.errors import BadInput
from preverify.model.reference import Repository
from preverify.model.strict_yaml import Document
from preverify.policy.certificates import chain_of, issued, read_certificates
from preverify.policy.importers.draft import File, Form, Remarks, Root, Who
from preverify.policy.importers.fields import Fields
from preverify.policy.keys import read_public_key
from preverify.policy.places import Path, refusal

PLATFORMS = (
    "of an image for several platforms the other tool looks at the signatures of the platform that it pulls; here "
    "every platform has to be signed (platforms: each)"
)
ISSUERS = (
    "certificates that come with a signature are no issuers here: where leaves are issued by an intermediate "
    "authority, its certificate has to stand beside the root's, or nothing passes"
)
_BY_TAG = "for an image by tag this compares the tag, and verdicts here are about digests: name the repository instead"
NOT_BY_TAG = (
    "of images by tag the other tool compares the tag that was signed; that is left out, so deploy them by digest"
)
NO_ISSUER = "names no OIDC issuer, which every identity by certificate has to have here"


def refused_name(kind: str, dialect: str) -> str:
    """Write the sentence about a demand on the payload's name that goes by the tag of an image."""
    return f"{kind}: {_BY_TAG}, or say that images are deployed by digest only, with --dialect {dialect}"


def signed(whom: Sequence[Who], reference: str, remarks: Remarks) -> Form:
    """Return the rule: a signature by one of `whom` whose payload names the image as demanded."""
    remarks.note(PLATFORMS)
    return {
        "name": "signed",
        "platforms": "each",
        "signature": {"by": {"any": list(whom)}, "dockerReference": reference},
    }


def by_key(name: str, pem: bytes, log_root: Root | None) -> Who:
    """Return a signer by key, in the log where there is one.

    Raises:
        ValueError: no key that both tools use alike.
    """
    key = load_der_public_key(read_public_key(pem).spki)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name != "secp256r1":
        raise ValueError(
            f"holds a key on {key.curve.name}, with which the other tool accepts other hashes than preverify"
        )
    looks = {"tlog": "none"} if log_root is None else {"tlog": "required", "trust": log_root}
    return Who(name=name, form={"key": {"file": File(name=f"keys/{name}.pub", data=pem)}, **looks})


def by_mail(*, name: str, issuer: str, mail: str, root: Root) -> Who:
    """Return a signer by a certificate of an authority of one's own, at the time of the log's entry."""
    who = {"issuer": issuer, "subject": mail, "trust": root, "tlog": "required", "timestamps": "none", "sct": "none"}
    return Who(name=name, form={"keyless": who})


def log(name: str, pem: bytes) -> Form:
    """Return a transparency log by its key.

    Raises:
        ValueError: not a key of ECDSA, the only ones that are taken.
    """
    ecdsa = isinstance(load_der_public_key(read_public_key(pem).spki), ec.EllipticCurvePublicKey)
    if not ecdsa:
        raise ValueError("holds a key of another kind than ECDSA, which the other tool refuses")
    return {"key": File(name=f"trust/{name}-log.pub", data=pem)}


def authorities(name: str, pem: bytes, remarks: Remarks) -> tuple[Form, ...]:
    """Return the authorities in a file of certificates, each from one that issues no other up to its root.

    Raises:
        ValueError: no certificates, or some without their root.
    """
    pool = tuple(dict.fromkeys(read_certificates(pem)))
    if all(issued(each, each) for each in pool):
        remarks.note(ISSUERS)
    found: list[Form] = []
    lowest = [each for each in pool if not any(issued(other, each) for other in pool if other != each)]
    for each in lowest or pool[:1]:
        chain = _above(each, pool)
        chain_of(chain)
        text = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
        found.append({"files": [File(name=f"trust/{name}-authority.pem", data=text)]})
    return tuple(found)


def _above(lowest: x509.Certificate, pool: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    chain = [lowest]
    while above := next((each for each in pool if each not in chain and issued(chain[-1], each)), None):
        chain.append(above)
    return chain


def decoded(document: Document, place: Path, text: str) -> bytes:
    """Return what base64 text holds, as Go reads it: line ends in it are passed over.

    Raises:
        BadConfiguration: it is none.
    """
    try:
        return base64.b64decode(text.translate({10: None, 13: None}), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal(document, place, f"is no base64: {error}") from error


def repository_named(fields: Fields, name: str) -> str:
    """Return the repository that a member names, as ours name it."""
    try:
        return str(Repository.parse(fields.text(name)))
    except BadInput as error:
        raise fields.refusal(name, str(error)) from error
