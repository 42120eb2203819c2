from collections.abc import Iterator
from pathlib import Path

import pytest

from support.answering import Running, running, settings_in


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """A fresh server on loopback."""
    with running(settings_in(tmp_path)) as one:
        yield one
