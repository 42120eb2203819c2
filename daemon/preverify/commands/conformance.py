"""`preverify conformance`: the command line that the Sigstore client conformance suite drives.

Spec:
    sigstore-conformance, docs/cli_protocol.md.
"""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from preverify.clock import SystemClock
from preverify.commands.common import Exit
from preverify.model.anchors import Anchor, KeyAnchor, KeylessAnchor, Log, Stamps
from preverify.model.digest import Digest
from preverify.model.errors import BadInput, MalformedEvidence, Unavailable
from preverify.model.findings import Finding
from preverify.model.trust import SigstoreRoot, Trust
from preverify.model.trusted_root import MAX_BYTES as MAX_ROOT_BYTES
from preverify.model.trusted_root import parse_trusted_root
from preverify.policy.keys import read_public_key
from preverify.policy.signers import KeyIdentity, KeylessIdentity
from preverify.settings import read_bounded
from preverify.trust.embedded import embedded

app = typer.Typer(no_args_is_help=True)
MAX_ARTIFACT_BYTES = 1 << 30
MAX_BUNDLE_BYTES = 8 << 20
_MAX_KEY_BYTES = 64 << 10
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TRUST_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"

StagingOption = Annotated[bool, typer.Option("--staging", help="The staging instance in place of the public one.")]
RootOption = Annotated[Path | None, typer.Option("--trusted-root", help="A trusted_root.json.", show_default=False)]


@app.command("verify-bundle")
def verify_bundle(
    artifact: Annotated[str, typer.Argument(metavar="FILE_OR_DIGEST", help="A file, or sha256:<hex>.")],
    bundle: Annotated[Path, typer.Option(help="The bundle.")],
    certificate_identity: Annotated[str, typer.Option(help="Identity that the certificate must name.")] = "",
    certificate_oidc_issuer: Annotated[str, typer.Option(help="Issuer that the certificate must name.")] = "",
    key: Annotated[Path | None, typer.Option(help="PEM public key, in place of identity and issuer.")] = None,
    trusted_root: RootOption = None,
    staging: StagingOption = False,
) -> None:
    """Verify a bundle about an artifact; exit code 0 only where it holds."""
    from preverify.verify.artifact import verify_bundle_of_artifact

    root = _root(trusted_root, staging=staging)
    anchor, identity = _demand(root, key, certificate_identity, certificate_oidc_issuer)
    data, digest = _artifact(artifact)
    body, now = read_bounded(bundle, MAX_BUNDLE_BYTES), SystemClock().now()
    try:
        finding = verify_bundle_of_artifact(body, data, digest, anchor, trust=Trust(roots=(root,)), now=now)
    except MalformedEvidence as error:
        _refuse(error.reason.value, error.detail)
    if not finding.established:
        _refuse(finding.reason.value, finding.detail)
    shortfall = identity.shortfall(finding, now)
    if shortfall is not None:
        _refuse(shortfall.reason.value, shortfall.detail)
    print(f"verified: {_said(finding)}")


@app.command("sign-bundle")
def sign_bundle(
    artifact: Annotated[Path, typer.Argument(metavar="FILE", help="What is signed.")],
    identity_token: Annotated[str, typer.Option(help="OIDC token of the signer.")],
    bundle: Annotated[Path, typer.Option(help="Where the bundle is written.")],
    in_toto: Annotated[bool, typer.Option("--in-toto", help="FILE is an in-toto statement, signed as DSSE.")] = False,
    trusted_root: RootOption = None,
    signing_config: Annotated[Path | None, typer.Option(help="A signing configuration (v0.2).")] = None,
    staging: StagingOption = False,
) -> None:
    """Sign a file by identity and write the bundle."""
    data = read_bounded(artifact, MAX_ARTIFACT_BYTES)
    try:
        made = _signed(data, identity_token, _trust_config(trusted_root, signing_config, staging=staging), dsse=in_toto)
    except Exception as error:  # the library lets out its own, requests', pydantic's and cryptography's errors
        if isinstance(error, BadInput):
            raise
        words = " ".join(str(error).split())[:300]
        raise Unavailable(f"not signed: {type(error).__name__}: {words}") from error
    try:
        bundle.write_text(made)
    except OSError as error:
        raise BadInput(f"{bundle} cannot be written: {error.strerror}") from error


def _demand(
    root: SigstoreRoot, key: Path | None, identity: str, issuer: str
) -> tuple[Anchor, KeyIdentity | KeylessIdentity]:
    if key is not None and not identity and not issuer:
        try:
            trusted = read_public_key(read_bounded(key, _MAX_KEY_BYTES))
        except ValueError as error:
            raise BadInput(f"key file {str(key)!r}: {error}") from error
        return KeyAnchor(key=trusted, log=Log.REQUIRED, stamps=Stamps.ACCEPTED, root=root.id), KeyIdentity()
    if key is None and identity and issuer:
        return KeylessAnchor(root=root.id), KeylessIdentity(issuer=issuer, subject=identity)
    raise BadInput("expected either --key, or --certificate-identity together with --certificate-oidc-issuer")


def _root(path: Path | None, *, staging: bool) -> SigstoreRoot:
    if path is not None:
        return parse_trusted_root(read_bounded(path, MAX_ROOT_BYTES), str(path))
    name = "staging" if staging else "public-good"
    return parse_trusted_root(embedded(name).target, name)


def _artifact(text: str) -> tuple[bytes | None, Digest]:
    """Return an artifact's bytes, where they are at hand, and its digest."""
    if _DIGEST.fullmatch(text) is not None:
        return None, Digest.parse(text)
    data = read_bounded(Path(text), MAX_ARTIFACT_BYTES)
    return data, Digest.of(data)


def _trust_config(root: Path | None, services: Path | None, *, staging: bool) -> Any:
    """Return what the library signs with: files where they are given, else what it gets of the instance by TUF."""
    from sigstore.models import ClientTrustConfig

    if root is not None and services is not None:
        form = {
            "mediaType": _TRUST_CONFIG,
            "trustedRoot": json.loads(read_bounded(root, MAX_ROOT_BYTES)),
            "signingConfig": json.loads(read_bounded(services, MAX_ROOT_BYTES)),
        }
        return ClientTrustConfig.from_json(json.dumps(form))
    if root is not None or services is not None:
        raise BadInput("expected --trusted-root and --signing-config together, or neither")
    return ClientTrustConfig.staging() if staging else ClientTrustConfig.production()


def _signed(data: bytes, token: str, config: Any, *, dsse: bool) -> str:
    from sigstore.dsse import Statement
    from sigstore.oidc import IdentityToken
    from sigstore.sign import SigningContext

    with SigningContext.from_trust_config(config).signer(IdentityToken(token)) as signer:
        made = signer.sign_dsse(Statement(data)) if dsse else signer.sign_artifact(data)
    return made.to_json()


def _said(finding: Finding) -> str:
    signing = finding.signing
    if signing is None or not signing.identity:
        return finding.signer
    return f"{signing.identity} (issuer {signing.issuer})"


def _refuse(reason: str, detail: str) -> NoReturn:
    print(f"preverify: {reason}: {detail}", file=sys.stderr)
    raise typer.Exit(Exit.NOT_VERIFIED)
