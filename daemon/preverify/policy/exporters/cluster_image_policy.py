"""A ClusterImagePolicy that policy-controller checks our statements with."""

import json
from collections.abc import Mapping

from preverify.model.dsse import VSA_PREDICATE
from preverify.model.errors import BadConfiguration
from preverify.policy.exporters.wanted import Wanted, indented, rego

NAME = "cluster-image-policy"

_SAME_DIGEST = (
    "which repository the image comes from. A statement counts for the same digest in any other repository of these "
    "images."
)
_RENEWAL = "whether a newer statement was withdrawn: one that holds by its own time counts while it is attached."


def export(wanted: Wanted) -> Mapping[str, str]:
    """Return the policy.

    Raises:
        BadConfiguration: statements in bundles, which policy-controller reads only where certificates sign.
    """
    if wanted.bundles:
        raise BadConfiguration("policy-controller reads no bundles that a key signed; publish with the layout att")
    globs = "".join(f"    - glob: {json.dumps(_glob(each))}\n" for each in wanted.images)
    text = (
        f"{wanted.comments(_SAME_DIGEST, _RENEWAL)}"
        "apiVersion: policy.sigstore.dev/v1beta1\n"
        "kind: ClusterImagePolicy\n"
        "metadata:\n"
        "  name: preverify\n"
        "spec:\n"
        f"  images:\n{globs}"
        "  authorities:\n"
        "    - name: preverify\n"
        "      key:\n"
        f"        data: |\n{indented(wanted.pem, 10)}"
        "      attestations:\n"
        "        - name: passed\n"
        f"          predicateType: {VSA_PREDICATE}\n"
        "          policy:\n"
        "            type: rego\n"
        f"            data: |\n{indented(rego(wanted, package='sigstore', rule='isCompliant'), 14)}"
    )
    return {"cluster-image-policy.yaml": text}


def _glob(ours: str) -> str:
    """Return their glob. Theirs is matched with the digest behind the name, and Docker Hub has its other name."""
    host, slash, path = ours.partition("/")
    return f"{'index.docker.io' if host == 'docker.io' else host}{slash}{path}@*"
