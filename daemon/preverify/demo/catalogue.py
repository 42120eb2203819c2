"""The images of the demo, and what has to be concluded about each."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from preverify.model.reasons import Reason
from preverify.model.verdicts import AnswerState
from preverify.shipped import shipped

HERE = Path(str(files("preverify.demo")))
IMAGES = HERE / "images"
POLICIES = shipped("config", "preverify.yaml") / "policies" / "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image: where it lies, where it goes, how the daemon hears of it, and what it has to answer.

    Attributes:
        layout: Directory below `images/`.
        source: Registry: `shop` has the referrers API, `edge` has none and refuses DELETE.
        announced: True: loaded while the daemon runs, with a push event. False: there before, found by listing.
        moves_to: Layout of the image that the tag is moved to once the first one was verified.
    """

    repository: str
    tag: str
    layout: str
    what: str
    state: AnswerState
    reason: Reason
    source: str = "shop"
    announced: bool = False
    moves_to: str = ""

    @property
    def name(self) -> str:
        """`repository:tag`."""
        return f"{self.repository}:{self.tag}"


DATABASE = "demo/vulnerabilities"
"""Repository of the vulnerability database; its layout is `vulnerabilities`."""

_YES, _NO = AnswerState.VERIFIED, AnswerState.DENIED

ROWS = (
    Row(
        repository="shop/api",
        tag="1.4",
        layout="api",
        what="sigstore bundle, referrers API",
        state=_YES,
        reason=Reason.OK,
        announced=True,
    ),
    Row(
        repository="shop/legacy",
        tag="0.9",
        layout="legacy",
        what="cosign .sig tag",
        state=_YES,
        reason=Reason.OK,
    ),
    Row(
        repository="shop/multi",
        tag="1.0",
        layout="multi",
        what="signed index, 2 platforms",
        state=_YES,
        reason=Reason.OK,
        announced=True,
    ),
    Row(
        repository="built/worker",
        tag="3.1",
        layout="built",
        what="provenance: builder, source, level 2",
        state=_YES,
        reason=Reason.OK,
    ),
    Row(
        repository="pay/checkout",
        tag="2.3",
        layout="payments",
        what="two of three signers",
        state=_YES,
        reason=Reason.OK,
        announced=True,
    ),
    Row(
        repository="edge/gateway",
        tag="5.2",
        layout="gateway",
        what="sigstore bundle, fallback tag",
        state=_YES,
        reason=Reason.OK,
        source="edge",
    ),
    Row(
        repository="ci/widgets",
        tag="2.0",
        layout="keyless",
        what="keyless: workflow, log, time stamp",
        state=_YES,
        reason=Reason.OK,
        announced=True,
    ),
    Row(
        repository="ci/provenance",
        tag="3.2",
        layout="widgets",
        what="keyless SLSA provenance",
        state=_YES,
        reason=Reason.OK,
    ),
    Row(
        repository="vendor/appliance",
        tag="7.0",
        layout="vendor",
        what="Notation, expired but time stamped",
        state=_YES,
        reason=Reason.OK,
        announced=True,
    ),
    Row(
        repository="scan/web",
        tag="1.1",
        layout="web-fixed",
        what="log4j 2.17.1, nothing known of it",
        state=_YES,
        reason=Reason.OK,
    ),
    Row(
        repository="scan/batch",
        tag="0.9",
        layout="batch",
        what="the hole of scan/web, excepted",
        state=_YES,
        reason=Reason.OK,
        announced=True,
    ),
    Row(
        repository="shop/unsigned",
        tag="1.0",
        layout="unsigned",
        what="nothing beside it",
        state=_NO,
        reason=Reason.NO_SIGNATURE,
        announced=True,
    ),
    Row(
        repository="shop/stranger",
        tag="1.0",
        layout="stranger",
        what="signed by another key",
        state=_NO,
        reason=Reason.WRONG_KEY,
    ),
    Row(
        repository="shop/swapped",
        tag="1.0",
        layout="swapped",
        what="signature of another digest",
        state=_NO,
        reason=Reason.SUBJECT_MISMATCH,
        announced=True,
    ),
    Row(
        repository="built/scanned",
        tag="1.0",
        layout="scanned",
        what="attestation of another type",
        state=_NO,
        reason=Reason.PREDICATE_TYPE_MISMATCH,
    ),
    Row(
        repository="shop/garbled",
        tag="1.0",
        layout="garbled",
        what="envelope cut short",
        state=_NO,
        reason=Reason.BUNDLE_MALFORMED,
        announced=True,
    ),
    Row(
        repository="shop/corrupt",
        tag="1.0",
        layout="corrupt",
        what="registry serves other bytes",
        state=_NO,
        reason=Reason.DIGEST_MISMATCH,
    ),
    Row(
        repository="pay/ledger",
        tag="1.0",
        layout="ledger",
        what="one of three signers",
        state=_NO,
        reason=Reason.THRESHOLD_NOT_MET,
        announced=True,
    ),
    Row(
        repository="ci/person",
        tag="2.0",
        layout="person",
        what="keyless, but by a person",
        state=_NO,
        reason=Reason.IDENTITY_MISMATCH,
    ),
    Row(
        repository="ci/forged",
        tag="2.0",
        layout="forged-log",
        what="log entry of another signature",
        state=_NO,
        reason=Reason.LOG_ENTRY_MISMATCH,
        announced=True,
    ),
    Row(
        repository="ci/rerun",
        tag="3.2",
        layout="widgets",
        what="provenance names another run",
        state=_NO,
        reason=Reason.EXTENSION_MISMATCH,
    ),
    Row(
        repository="fork/worker",
        tag="3.1",
        layout="built",
        what="provenance of another source",
        state=_NO,
        reason=Reason.SOURCE_MISMATCH,
    ),
    Row(
        repository="vendor/rogue",
        tag="7.1",
        layout="rogue",
        what="same name, root not trusted",
        state=_NO,
        reason=Reason.CERTIFICATE_UNTRUSTED,
        announced=True,
    ),
    Row(
        repository="scan/web",
        tag="1.0",
        layout="web",
        what="log4j 2.14.1, a fix is known",
        state=_NO,
        reason=Reason.VULNERABILITY_FOUND,
        announced=True,
    ),
    Row(
        repository="scan/rooted",
        tag="1.0",
        layout="rooted",
        what="runs as root",
        state=_NO,
        reason=Reason.CONFIG_DENIED,
    ),
    Row(
        repository="shop/moved",
        tag="1.0",
        layout="moved",
        what="tag moved to an unsigned image",
        state=_NO,
        reason=Reason.NO_SIGNATURE,
        moves_to="moved-to",
    ),
)
