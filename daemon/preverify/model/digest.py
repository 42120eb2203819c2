"""Content digests: grammar, computation, comparison."""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from preverify.model.errors import BadInput

_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """An algorithm and the lower-case hex of a hash over exact bytes.

    Spec:
        OCI image-spec, descriptor document, "Digests". Only sha256 and sha512 are accepted.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        if self.algorithm not in _LENGTHS:
            raise BadInput(f"digest algorithm {self.algorithm[:32]!r} is not supported, expected sha256 or sha512")
        if len(self.hex) != _LENGTHS[self.algorithm] or _HEX.fullmatch(self.hex) is None:
            raise BadInput(
                f"a {self.algorithm} digest is {_LENGTHS[self.algorithm]} lower-case hex digits, not {self.hex[:140]!r}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `algorithm:hex`.

        Raises:
            BadInput: any other form, upper-case hex and unknown algorithms included.

        >>> Digest.parse("sha256:" + "a" * 64).algorithm
        'sha256'
        """
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise BadInput(f"{text[:80]!r} is not a digest, expected sha256:<64 hex digits>")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        """Return the digest of `data`."""
        return cls(algorithm, hashlib.new(algorithm, data, usedforsecurity=True).hexdigest())

    def names(self, data: bytes) -> bool:
        """Say whether `data` has this digest."""
        return hashlib.new(self.algorithm, data).hexdigest() == self.hex

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
