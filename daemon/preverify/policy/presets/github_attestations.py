"""The preset `github-attestations`: provenance that GitHub Actions attest (`actions/attest-build-provenance`)."""

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from preverify.policy.wire import Name, Part

_HOST = "https://github.com"
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}")
_WORKFLOW = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}/\.github/workflows/[A-Za-z0-9_.-]{1,100}\.ya?ml"
    r"(?:@refs/[!-?A-~]{1,250})?"
)
_REF = re.compile(r"refs/[!-?A-~]{1,250}")


def _matching(form: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(f"{text[:100]!r} is not {what}")
        return text

    return AfterValidator(check)


class GithubAttestations(Part):
    """Built by a workflow of a GitHub repository, which attests it: provenance by the workflow's own identity."""

    NAME: ClassVar[str] = "github-attestations"

    repository: Annotated[str, _matching(_REPOSITORY, "a repository like acme/api")] | None = None
    """The repository that it was built from, like `acme/api`. Exactly one of `repository` and `owner`."""
    owner: Annotated[str, _matching(_OWNER, "an owner like acme")] | None = None
    """Any repository of this user or organisation."""
    workflow: Annotated[str, _matching(_WORKFLOW, "like acme/api/.github/workflows/release.yml")] | None = None
    """The workflow that attests, with its repository, and `@refs/…` where it is to be at one ref:
    `acme/api/.github/workflows/release.yml`. Left out: any workflow of `repository` or `owner`."""
    ref: Annotated[str, _matching(_REF, "a full ref, expected refs/…")] | None = None
    """The full git ref that was built, like `refs/heads/main`. Left out: any, also those of pushed branches."""
    trust: Name = Field("public-good")
    """The root that vouches for the certificates: `public-good` for public repositories; for private ones declare that
    of GitHub in a Trust document."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.repository is None) == (self.owner is None):
            raise ValueError("expected exactly one of 'repository' and 'owner'")
        return self

    def signer(self) -> dict[str, Any]:
        """Return the identity of the workflows, bound to what was built by the certificate itself."""
        extensions = {"sourceRepositoryRef": self.ref} if self.ref is not None else {}
        if self.repository is not None:
            extensions["sourceRepositoryURI"] = f"{_HOST}/{self.repository}"
        else:
            extensions["sourceRepositoryOwnerURI"] = f"{_HOST}/{self.owner}"
        return {
            "keyless": {
                "issuer": "https://token.actions.githubusercontent.com",
                **self._subject(),
                "extensions": extensions,
                "trust": self.trust,
            }
        }

    def _subject(self) -> dict[str, str]:
        """Return the workflow: exactly where it is known to the ref, else as a pattern of whole names."""
        path, at, ref = (self.workflow or "").partition("@")
        if path and not at and self.ref is not None and path.startswith(f"{self.repository}/"):
            at, ref = "@", self.ref  # a repository's own workflow runs as it is at the ref that is built
        if path and at:
            return {"subject": f"{_HOST}/{path}@{ref}"}
        host = re.escape(_HOST)
        if path:
            return {"subjectPattern": rf"{host}/{re.escape(path)}@refs/[^@]+"}
        where = re.escape(self.repository) if self.repository is not None else rf"{re.escape(self.owner or '')}/[^/@]+"
        return {"subjectPattern": rf"{host}/{where}/\.github/workflows/[^/@]+@refs/[^@]+"}

    def demand(self, signer: str) -> dict[str, Any]:
        """Demand provenance that says the same."""
        # A level makes what it says of its builder be checked, also where no source is named.
        body: dict[str, Any] = {"type": "slsa-provenance", "by": {"any": [signer]}, "minLevel": 1}
        if self.repository is not None:
            body["source"] = f"{_HOST}/{self.repository}"
        if self.ref is not None:
            body["ref"] = self.ref
        return {"attestation": body}
