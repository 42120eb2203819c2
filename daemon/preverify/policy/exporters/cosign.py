"""A command of cosign, versions 2 and 3, that checks our statements, with the rules and the key that it needs."""

from collections.abc import Mapping

from preverify.model.dsse import VSA_PREDICATE
from preverify.policy.exporters.wanted import Wanted, rego

NAME = "cosign"

_SAME_DIGEST = "which repository the image comes from. Compare resourceUri of the statement that is printed."
_RENEWAL = "whether a newer statement was withdrawn: one that holds by its own time counts while it is attached."


def export(wanted: Wanted) -> Mapping[str, str]:
    """Return a shell script, the rules and the key."""
    form = " --new-bundle-format" if wanted.bundles else ""
    script = (
        "#!/bin/sh\n"
        f"{wanted.comments(_SAME_DIGEST, _RENEWAL)}"
        "# Use: sh verify.sh registry.example/path@sha256:…   (COSIGN names another program than cosign)\n"
        "set -eu\n"
        'here=$(dirname "$0")\n'
        'exec "${COSIGN:-cosign}" verify-attestation \\\n'
        f'  --key "$here/preverify.pub" --insecure-ignore-tlog=true{form} \\\n'
        f'  --type {VSA_PREDICATE} --policy "$here/preverify.rego" "$@"\n'
    )
    return {
        "verify.sh": script,
        "preverify.rego": rego(wanted, package="signature", rule="allow"),
        "preverify.pub": wanted.pem,
    }
