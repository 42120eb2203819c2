"""The preset `chainguard-public`: images of Chainguard's public catalogue."""

from typing import Any, ClassVar

from preverify.policy.wire import Part


class ChainguardPublic(Part):
    """Signed by the release workflow of Chainguard's public images."""

    NAME: ClassVar[str] = "chainguard-public"

    def signer(self) -> dict[str, Any]:
        """Return the workflow's identity."""
        return {
            "keyless": {
                "issuer": "https://token.actions.githubusercontent.com",
                "subject": "https://github.com/chainguard-images/images/.github/workflows/release.yaml@refs/heads/main",
                "trust": "public-good",
            }
        }

    def demand(self, signer: str) -> dict[str, Any]:
        """Demand a signature."""
        return {"signature": {"by": {"any": [signer]}}}
