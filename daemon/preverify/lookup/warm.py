"""Answers that were given and would be given again: kept with everything that could make them another one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from preverify.lookup.moment import Moment
from preverify.lookup.reader import Stored
from preverify.model.recent import Recent
from preverify.model.verdicts import Answer

_SIZE = 2_048
NEVER = datetime.max.replace(tzinfo=UTC)
"""After every time that is asked about."""

Asked = tuple[str, str, str, str | None]
"""Hex of the digest, registry, path, namespace."""


@dataclass(frozen=True, slots=True)
class Warm:
    """An answer with its inputs: the table's moment, the row's bytes, the policies, and the time.

    Attributes:
        answer: As it was composed; never one of a table that has not heard from the feed for long.
        moment: When the table was read.
        stored: The row that it was made of.
        policies: The compiled policies that it was made by.
        since: When it was made: a clock that was put back makes it worthless.
        turns: When time alone makes it another one, whatever the table says.
        until: `turns`, or when the table counts as silent.
    """

    answer: Answer
    moment: Moment | None
    stored: Stored
    policies: object
    since: datetime
    turns: datetime
    until: datetime

    @classmethod
    def of(
        cls,
        answer: Answer,
        moment: Moment | None,
        stored: Stored,
        policies: object,
        *,
        now: datetime,
        turns: Iterable[datetime],
        silent: datetime | None,
    ) -> Self:
        """Keep an answer until the first of `turns` that is ahead; `silent` is when the table counts as silent."""
        turn = min((moment for moment in turns if moment > now), default=NEVER)
        return cls(answer, moment, stored, policies, now, turn, min(turn, silent or NEVER))

    def holds(self, moment: Moment | None, now: datetime) -> bool:
        """Say whether nothing has happened since that could change the answer."""
        return moment is not None and moment == self.moment and self.since <= now < self.until

    def was_made_of(self, stored: Stored, policies: object, now: datetime, silent: datetime | None) -> bool:
        """Say whether this row and these policies still make the same answer, and the table is not silent."""
        mine = self.stored
        return (
            stored.policies == mine.policies
            and stored.via == mine.via
            and stored.generation == mine.generation
            and policies is self.policies
            and self.since <= now < self.turns
            and (silent is None or now < silent)
        )

    def again(self, moment: Moment | None, silent: datetime | None) -> Self:
        """Return the same answer, made of the table at another moment."""
        return replace(self, moment=moment, until=min(self.turns, silent or NEVER))


class WarmAnswers(Recent[Asked, Warm]):
    """The warm answers of one process."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_SIZE)
