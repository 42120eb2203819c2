from collections.abc import Iterator

import pytest

from preverify import observe


@pytest.fixture(autouse=True)
def _in_memory() -> Iterator[None]:
    """Whatever a test chose, the next one counts in memory."""
    observe.alone()
    yield
    observe.alone()
