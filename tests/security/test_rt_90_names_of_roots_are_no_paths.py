"""RT-90: names become paths only in one closed grammar."""

from pathlib import Path

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.trust_documents import RootRequest
from support.tuf_repository import roots


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "A", "a" * 64, "x\n"])
def test_names_are_of_one_grammar_before_they_are_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfiguration, match="is not the name of a root"):
        roots(tmp_path).kept(RootRequest(name=name, url="https://tuf.example", root=b"x"))
