"""What a tool is to check of our statements, and how that is said in the languages that several tools share."""

import base64
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from preverify.model.dsse import VSA_PREDICATE
from preverify.model.errors import BadConfiguration
from preverify.model.keys import TrustedKey
from preverify.model.verdicts import Mode
from preverify.policy.policies import PolicySet

VALID_UNTIL = "urn:preverify:validUntil"
"""Member of our statements: until when they hold."""
_LAYOUTS = "oci:/"
_STARS = re.compile(r"(\*\*|\*)")
_REGEX: Mapping[str, str] = {"**": ".*", "*": "[^/]*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Statements that count.

    Attributes:
        verifier: Id of the verifier that they name.
        key: Its public key.
        images: Globs over `registry/path`: images that statements are demanded of.
        exclude: Globs: what the policies leave out, and what the tools are only told of.
        bundles: Statements are attached as Sigstore bundles, not to the `.att` tag.
    """

    verifier: str
    key: TrustedKey
    images: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    bundles: bool = False

    @classmethod
    def of(cls, policies: PolicySet, *, verifier: str, key: TrustedKey, bundles: bool = False) -> Self:
        """Return what is wanted of the images that we publish statements about: those of the default profile.

        Raises:
            BadConfiguration: no policy leads to a statement.
        """
        publishing = [each for each in policies.policies if each.mode is Mode.ENFORCE and not each.namespaces]
        images = [glob for each in publishing for glob in each.images if not glob.startswith(_LAYOUTS)]
        if not images:
            raise BadConfiguration("no enforcing policy without namespaces is about a registry: nothing is published")
        return cls(
            verifier=verifier,
            key=key,
            images=tuple(dict.fromkeys(images)),
            exclude=tuple(dict.fromkeys(glob for each in publishing for glob in each.exclude)),
            bundles=bundles,
        )

    @property
    def pem(self) -> str:
        """Return the key as PEM."""
        lines = textwrap.wrap(base64.b64encode(self.key.spki).decode(), 64)
        return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""))

    @property
    def resources(self) -> str:
        """Return an expression of Go for the resources that statements about these images name."""
        names = "|".join("".join(_REGEX.get(part) or re.escape(part) for part in _STARS.split(g)) for g in self.images)
        return f"^({names})@sha256:[0-9a-f]{{64}}$"

    def comments(self, *cannot: str) -> str:
        """Return what stands at the begin of a file: what it is for, and what it cannot check."""
        lines = [
            f"Checks the statements of {self.verifier}: verification summaries that say PASSED.",
            f"Statements are looked for {'in bundles' if self.bundles else 'at the .att tag'} beside the image.",
            *(f"Not checked: {each}" for each in cannot),
            *(
                f"Policies leave out {each}, this does not: it asks for statements that are not there."
                for each in self.exclude
            ),
        ]
        return "".join(f"# {line}\n" for line in lines)


def rego(wanted: Wanted, *, package: str, rule: str) -> str:
    """Return a module of Rego (v0, as cosign and policy-controller read it) that allows a statement that counts."""
    return (
        f"package {package}\n\n"
        f"default {rule} = false\n\n"
        f"{rule} {{\n"
        f"  input.predicateType == {json.dumps(VSA_PREDICATE)}\n"
        f'  input.predicate.verificationResult == "PASSED"\n'
        f"  input.predicate.verifier.id == {json.dumps(wanted.verifier)}\n"
        f"  count(input.subject) == 1\n"
        f"  subject := input.subject[0]\n"
        f'  input.predicate.resourceUri == concat("@sha256:", [subject.name, subject.digest.sha256])\n'
        f"  regex.match({json.dumps(wanted.resources)}, input.predicate.resourceUri)\n"
        f'  time.parse_rfc3339_ns(input.predicate["{VALID_UNTIL}"]) > time.now_ns()\n'
        f"}}\n"
    )


def indented(text: str, by: int) -> str:
    """Indent lines for a block of YAML."""
    return textwrap.indent(text, " " * by)


def quoted(texts: Sequence[str]) -> str:
    """Write texts as a flow list of YAML."""
    return json.dumps(list(texts))
