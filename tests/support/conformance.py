"""Cases of the public Sigstore conformance suite, from `$PREVERIFY_CONFORMANCE` or from beside the clone."""

import os
from dataclasses import dataclass
from pathlib import Path

import sigstore

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = Path(os.environ.get("PREVERIFY_CONFORMANCE", ROOT.parent / "shared" / "conformance")) / "sigstore"
IDENTITY = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
    ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One case: a bundle that has to be accepted, or refused."""

    name: str
    accepted: bool
    bundle: Path
    artifact: Path
    identity: str
    issuer: str
    key: Path | None
    trusted_root: Path | None


def vectors() -> tuple[Vector, ...]:
    """Return all cases; none where they are not there."""
    if not PUBLIC.is_dir():
        return ()
    return tuple(_vector(place) for place in sorted(PUBLIC.iterdir()) if place.is_dir())


def _vector(place: Path) -> Vector:
    def own(name: str) -> Path | None:
        path = place / name
        return path if path.is_file() else None

    def text(name: str, otherwise: str) -> str:
        path = own(name)
        return otherwise if path is None else path.read_text().strip()

    return Vector(
        name=place.name,
        accepted=not place.name.endswith("_fail"),
        bundle=place / "bundle.sigstore.json",
        artifact=own("artifact") or PUBLIC / "a.txt",
        identity=text("identity", IDENTITY),
        issuer=text("issuer", ISSUER),
        key=own("key.pub"),
        trusted_root=own("trusted_root.json"),
    )


def public_good() -> Path:
    """Return the root of the public instance that the `sigstore` package embeds, for cases without one of their own."""
    store = Path(sigstore.__file__).parent / "_store"
    return store / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev" / "trusted_root.json"
