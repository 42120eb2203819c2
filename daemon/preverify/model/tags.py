"""Tags of one image, as observed."""

from dataclasses import dataclass
from datetime import datetime

from preverify.model.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class TagMove:
    """A tag was seen to name something else than before. None: it was not there, or is gone."""

    tag: str
    before: Digest | None
    after: Digest | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What is known of the tags that name one digest.

    Attributes:
        names: Tags that name it now, sorted.
        moves: Every move of these tags that was seen, oldest first; a first sighting is a move from None.
    """

    names: tuple[str, ...] = ()
    moves: tuple[TagMove, ...] = ()
