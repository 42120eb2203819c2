"""What one verification trusts: anchors sorted by kind, the trust that they refer to, the time, revocation data."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from preverify.model.anchors import Anchor, KeyAnchor, KeylessAnchor, NotationAnchor
from preverify.model.evidence import Evidence
from preverify.model.trust import SigstoreRoot, Trust
from preverify.verify.keyring import Keyring


class Trusting:
    """Lives for one call of `verify`.

    Attributes:
        keyring: The distinct keys of all key anchors.
        keyless: Anchors for certificates of Sigstore instances and own authorities.
        notation: Notation trust policies.
        trust: Roots and stores by their ids.
        now: Time of the verification. It counts only where nothing trusted says when a signature was made.
        revocation: CRLs and OCSP responses that were obtained.
    """

    __slots__ = ("_by_key", "keyless", "keyring", "notation", "now", "revocation", "trust")

    def __init__(
        self, anchors: Iterable[Anchor], *, trust: Trust, now: datetime, revocation: Sequence[Evidence] = ()
    ) -> None:
        distinct: Mapping[str, Anchor] = {anchor.id: anchor for anchor in anchors}
        keys = [anchor for anchor in distinct.values() if isinstance(anchor, KeyAnchor)]
        self.keyring = Keyring(anchor.key for anchor in keys)
        self._by_key: dict[str, tuple[KeyAnchor, ...]] = {}
        for anchor in keys:
            self._by_key[anchor.key.id] = (*self._by_key.get(anchor.key.id, ()), anchor)
        self.keyless = tuple(anchor for anchor in distinct.values() if isinstance(anchor, KeylessAnchor))
        self.notation = tuple(anchor for anchor in distinct.values() if isinstance(anchor, NotationAnchor))
        self.trust = trust
        self.now = now
        self.revocation = tuple(revocation)

    def anchors_of(self, key_id: str) -> tuple[KeyAnchor, ...]:
        """Return the anchors that rest on a key of the keyring."""
        return self._by_key[key_id]

    def root(self, anchor: KeyAnchor | KeylessAnchor) -> SigstoreRoot:
        """Return the root that an anchor refers to. An anchor that refers to none trusts nothing beyond its key."""
        return self.trust.root(anchor.root) if anchor.root else _NOTHING


_NOTHING = SigstoreRoot(name="none")
