"""What one verification trusts: anchors sorted by kind, the trust that they refer to, the time, revocation data."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from preverify.model.anchors import Anchor, KeyAnchor, KeylessAnchor, NotationAnchor
from preverify.model.evidence import Evidence
from preverify.model.trust import SigstoreRoot, Trust
from preverify.verify.keys.keyring import Keyring
from preverify.verify.keys.public_keys import prepared


class Trusting:
    """Lives for one call of `verify`.

    Attributes:
        keyring: The distinct keys of all key anchors.
        keyless: Anchors for certificates of Sigstore instances and own authorities.
        notation: Notation trust policies.
        bare: Of Sigstore's evidence nothing but signatures by keys counts: no certificates, logs or time stamps.
        trust: Roots and stores by their ids.
        now: Time of the verification. It counts only where nothing trusted says when a signature was made.
        revocation: CRLs and OCSP responses that were obtained.
    """

    __slots__ = ("_by_key", "bare", "keyless", "keyring", "notation", "now", "revocation", "trust")

    def __init__(
        self, anchors: Iterable[Anchor], *, trust: Trust, now: datetime, revocation: Sequence[Evidence] = ()
    ) -> None:
        by_key: dict[str, list[KeyAnchor]] = {}
        keyless: list[KeylessAnchor] = []
        notation: list[NotationAnchor] = []
        bare = True
        for anchor in {anchor.id: anchor for anchor in anchors}.values():
            if isinstance(anchor, KeyAnchor):
                key_id = prepared(anchor.key.spki).id
                by_key.setdefault(key_id, []).append(anchor)
                bare = bare and anchor.id == key_id
            elif isinstance(anchor, KeylessAnchor):
                keyless.append(anchor)
            else:
                notation.append(anchor)
        self._by_key = by_key
        self.keyring = Keyring([each[0].key for each in by_key.values()])
        self.keyless = tuple(keyless)
        self.notation = tuple(notation)
        self.bare = bare and not keyless
        self.trust = trust
        self.now = now
        self.revocation = tuple(revocation)

    def anchors_of(self, key_id: str) -> Sequence[KeyAnchor]:
        """Return the anchors that rest on a key of the keyring."""
        return self._by_key[key_id]

    def root(self, anchor: KeyAnchor | KeylessAnchor) -> SigstoreRoot:
        """Return the root that an anchor refers to. An anchor that refers to none trusts nothing beyond its key."""
        return self.trust.root(anchor.root) if anchor.root else _NOTHING


_NOTHING = SigstoreRoot(name="none")
