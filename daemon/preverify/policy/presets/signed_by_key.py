"""The preset `signed-by-key`: somebody signed with one key."""

from typing import Any, ClassVar, Literal

from preverify.policy.trust_schema import FileName
from preverify.policy.wire import Part


class SignedByKey(Part):
    """Signed with the key in a file."""

    NAME: ClassVar[str] = "signed-by-key"

    file: FileName
    """PEM file with the public key, relative to the policy directory."""
    tlog: Literal["none", "required"]
    """`required`: an entry of the public-good transparency log about exactly this signature; `none`: not looked at."""

    def signer(self) -> dict[str, Any]:
        """Return the key."""
        trust = {"trust": "public-good"} if self.tlog == "required" else {}
        return {"key": {"file": self.file}, "tlog": self.tlog, **trust}

    def demand(self, signer: str) -> dict[str, Any]:
        """Demand a signature."""
        return {"signature": {"by": {"any": [signer]}}}
