"""The preset `chainguard-org`: images that Chainguard puts into an organisation's own catalogue."""

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from preverify.policy.wire import Part

_ISSUER = "https://issuer.enforce.dev"
_UIDP = re.compile(r"[0-9a-f]{40}(?:/[0-9a-f]{16}){0,8}")


def _uidp(text: str) -> str:
    if _UIDP.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is no UIDP, expected what chainctl shows: 40 hex digits, then /16 hex digits")
    return text


Uidp = Annotated[str, AfterValidator(_uidp)]


class ChainguardOrg(Part):
    """Signed by the services that copy images into an organisation's catalogue, or build them for it.

    `chainctl iam account-associations describe` shows their ids. Catalogues hold images of both.
    """

    NAME: ClassVar[str] = "chainguard-org"

    image_syncer: Uidp | None = Field(None, alias="imageSyncer")
    """UIDP of the image syncer (`catalog_syncer`), which copies from Chainguard's catalogue."""
    custom_image_builder: Uidp | None = Field(None, alias="customImageBuilder")
    """UIDP of the custom image builder (`apko_builder`)."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.image_syncer is None and self.custom_image_builder is None:
            raise ValueError("names nobody, expected 'imageSyncer', 'customImageBuilder' or both")
        return self

    def signer(self) -> dict[str, Any]:
        """Return one identity that is any of those given."""
        ids = [each for each in (self.image_syncer, self.custom_image_builder) if each is not None]
        whom = (
            {"subject": f"{_ISSUER}/{ids[0]}"}
            if len(ids) == 1
            else {"subjectPattern": rf"{re.escape(_ISSUER)}/(?:{'|'.join(ids)})"}
        )
        return {"keyless": {"issuer": _ISSUER, **whom, "trust": "public-good"}}

    def demand(self, signer: str) -> dict[str, Any]:
        """Demand a signature."""
        return {"signature": {"by": {"any": [signer]}}}
