"""TrustRoot objects of policy-controller, as roots of ours.

Spec:
    `policy.sigstore.dev/v1alpha1`, kind TrustRoot.
"""

import base64
import binascii
import re

from preverify.policy.importers.draft import File, Form, Root
from preverify.policy.importers.fields import Fields

PUBLIC = Root(name="public-good", form=None)
"""The public instance: our root of that name needs no document."""
_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----")


def root_of(fields: Fields, name: str) -> Root:
    """Return the root that a TrustRoot's `spec` describes.

    Raises:
        BadConfiguration: with the place of what cannot be said.
    """
    with fields:
        remote, repository, keys = fields.part("remote"), fields.part("repository"), fields.part("sigstoreKeys")
        if repository is not None:
            why = (
                "a repository inside of the document is not read; save its trusted_root.json and declare that as "
                "`file` in a Trust document"
            )
            raise fields.refusal("repository", why)
        if (remote is None) == (keys is None):
            raise fields.refuse("expected exactly one of remote and sigstoreKeys")
        return Root(name=name, form=_by_tuf(remote, name) if remote is not None else _by_parts(_there(keys), name))


def _there(fields: Fields | None) -> Fields:
    assert fields is not None  # noqa: S101 - one of two is there
    return fields


def _by_tuf(fields: Fields, name: str) -> Form:
    with fields:
        for member, default in (("targets", "targets"), ("trustedRootTarget", "trusted_root.json")):
            if fields.text(member) not in ("", default):
                raise fields.refusal(member, f"another name than {default!r} is not looked for")
        mirror = fields.text("mirror")
        if not mirror:
            raise fields.refusal("mirror", "is missing")
        root = File(name=f"trust/{name}-root.json", data=_decoded(fields, "root"))
        return {"tuf": {"url": mirror.rstrip("/"), "root": root}}


def _by_parts(fields: Fields, name: str) -> Form:
    with fields:
        form: dict[str, object] = {"authorities": _authorities(fields, "certificateAuthorities", f"{name}-ca")}
        for member, ours, stem in (("tLogs", "logs", "log"), ("ctLogs", "ctLogs", "ct-log")):
            form[ours] = [
                {"key": File(name=f"trust/{name}-{stem}.pub", data=_log_key(each))} for each in fields.parts(member)
            ]
        form["timestampAuthorities"] = _authorities(fields, "timestampAuthorities", f"{name}-tsa")
        return {member: value for member, value in form.items() if value}


def _authorities(fields: Fields, member: str, stem: str) -> list[Form]:
    found: list[Form] = []
    for each in fields.parts(member):
        with each:
            each.ignore("subject", "uri")  # for people; what the certificates say counts
            found.append({"files": [File(name=f"trust/{stem}.pem", data=_pem(each, "certChain"))]})
    return found


def _log_key(fields: Fields) -> bytes:
    with fields:
        fields.ignore("baseURL")  # entries stand beside signatures, logs are not asked
        if fields.text("hashAlgorithm") not in ("", "sha256", "sha-256", "SHA2_256"):
            raise fields.refusal("hashAlgorithm", "only trees over SHA-256 are read")
        return _pem(fields, "publicKey")


def _pem(fields: Fields, member: str) -> bytes:
    data = _decoded(fields, member)
    if _PEM.search(data) is None:
        raise fields.refusal(member, "is no PEM in base64")
    return data if data.endswith(b"\n") else data + b"\n"


def _decoded(fields: Fields, member: str) -> bytes:
    """Return bytes that stand there in base64, as the Kubernetes API has them."""
    text = "".join(fields.text(member).split())
    if not text:
        raise fields.refusal(member, "is missing")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise fields.refusal(member, "is not base64") from error
