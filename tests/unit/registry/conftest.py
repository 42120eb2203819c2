"""Every test of the registry room has a hostile registry at hand."""

from collections.abc import Iterator

import pytest

from support.hostile import Hostile


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as registry:
        yield registry
