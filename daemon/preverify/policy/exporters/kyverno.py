"""A ClusterPolicy that Kyverno checks our statements with."""

import json
from collections.abc import Mapping

from preverify.model.dsse import VSA_PREDICATE
from preverify.policy.exporters.wanted import VALID_UNTIL, Wanted, indented, quoted

NAME = "kyverno"

_HUB = "docker.io/"
_LIBRARY = "docker.io/library/"
_WIDER = "'*' within a path segment: Kyverno's goes across, so that more images than here need a statement."
_RENEWAL = "whether a newer statement was withdrawn: one that holds by its own time counts while it is attached."


def export(wanted: Wanted) -> Mapping[str, str]:
    """Return the policy."""
    cannot = (_RENEWAL, *([_WIDER] if any("*" in each.replace("**", "") for each in wanted.images) else []))
    text = (
        f"{wanted.comments(*cannot)}"
        "apiVersion: kyverno.io/v1\n"
        "kind: ClusterPolicy\n"
        "metadata:\n"
        "  name: preverify\n"
        "spec:\n"
        "  background: false\n"
        "  webhookTimeoutSeconds: 30\n"
        "  rules:\n"
        "    - name: passed\n"
        "      match: {any: [{resources: {kinds: [Pod]}}]}\n"
        "      verifyImages:\n"
        f"        - type: {'SigstoreBundle' if wanted.bundles else 'Cosign'}\n"
        "          failureAction: Enforce\n"
        f"          imageReferences: {quoted(_references(wanted))}\n"
        "          attestations:\n"
        "            - name: summary\n"
        f"              type: {VSA_PREDICATE}\n"
        "              attestors:\n"
        "                - entries:\n"
        "                    - keys:\n"
        f"                        publicKeys: |\n{indented(wanted.pem, 26)}"
        "                        rekor: {url: https://rekor.sigstore.dev, ignoreTlog: true}\n"
        "                        ctlog: {ignoreSCT: true}\n"
        "              conditions:\n"
        "                - all:\n"
        f"{_condition('{{ verificationResult }}', 'PASSED')}"
        f"{_condition('{{ verifier.id }}', wanted.verifier)}"
        f"{_condition(_HOLDS, value=True)}"
        "                  any:\n"
        f"{''.join(_condition('{{ resourceUri }}', each) for each in _resources(wanted))}"
    )
    return {"kyverno.yaml": text}


_HOLDS = f'{{{{ time_before(time_now_utc(), "{VALID_UNTIL}") }}}}'


def _resources(wanted: Wanted) -> tuple[str, ...]:
    """Return what a statement may call the image. Docker Hub's names without `library/` have it here."""
    hub = [each for each in wanted.images if each.startswith(_HUB) or "*" in each.partition("/")[0]]
    return ("{{ image.registry }}/{{ image.path }}@*", *([f"{_LIBRARY}{{{{ image.path }}}}@*"] if hub else []))


def _condition(key: str, value: object) -> str:
    written = f"{{key: {json.dumps(key)}, operator: Equals, value: {json.dumps(value)}}}"
    return f"                    - {written}\n"


def _references(wanted: Wanted) -> tuple[str, ...]:
    """Return wildcards that match each image by tag and by digest. Kyverno leaves `library/` out where a pod does."""
    found: list[str] = []
    for glob in wanted.images:
        theirs = glob.replace("**", "*")
        names = [theirs, *([_HUB + theirs.removeprefix(_LIBRARY)] if theirs.startswith(_LIBRARY) else [])]
        found += [f"{name}{end}" for name in names for end in (":*", "@*")]
    return tuple(dict.fromkeys(found))
