"""The local table that answers are read from: one writer that follows the feed, readers that answer from it."""

from preverify.lookup.answers import Answerer
from preverify.lookup.feed import tail
from preverify.lookup.reader import Found, Reader, Row
from preverify.lookup.table import Writer

__all__ = ["Answerer", "Found", "Reader", "Row", "Writer", "tail"]
