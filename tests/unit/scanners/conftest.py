"""One database of the whole corpus for all tests of this room."""

from collections.abc import Iterator

import pytest

from preverify.scanners.database.file import Database
from support.vulnerabilities import database_file, opened


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = opened(database_file(tmp_path_factory.mktemp("corpus")))
    yield database
    database.close()
